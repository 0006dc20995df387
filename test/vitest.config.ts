import { availableParallelism } from 'node:os'
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

// Four projects. The rooms of the worker run inside workerd, and those of things and access also on
// Node over the embedded file. All that starts a program or waits for real time runs on Node, and so
// does the rest, which is pure. The name of a project decides when it runs: `a` before `b`.
const root = new URL('..', import.meta.url).pathname

/** Tests of the MQTT door that start programs, or wait for the ends of real intervals. */
const SLOW_AT_THE_DOOR = 'test/proxy-node/**/{mosquitto,partial_filters,renewal,upstream}.test.ts'

const FILE_DATABASES = new URL('databases/file.ts', import.meta.url).pathname

/** Tests of the rooms that run over the embedded file, too. */
const OVER_FILES_TOO = [
  'test/{access,devices,status,oauth/token}/**/*.test.ts',
  'test/identity/{invitations,transfers,people_reach}.test.ts',
  'test/admin/events_reach.test.ts',
]

export default defineConfig({
  root,
  test: {
    // Programs are waited for most of the time, so two files fit a machine of two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        root,
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            // The test runner needs Node's modules; the worker itself does without.
            miniflare: { compatibilityFlags: ['nodejs_compat'] },
          }),
        ],
        test: {
          name: 'workerd',
          // Files share a workerd, so modules are loaded once: a fixture must not register hooks by
          // itself.
          isolate: false,
          include: [
            'test/{ground,keys,status,pages,access,identity,devices,oauth,admin}/**/*.test.ts',
          ],
          globalSetup: ['test/database_farm.ts'],
          setupFiles: ['test/support/teardown.ts'],
          testTimeout: 30_000,
        },
      },
      {
        root,
        // The databases of a test are files of its process.
        resolve: {
          alias: [{ find: /^.*\/databases\/remote\.ts$/, replacement: FILE_DATABASES }],
        },
        test: {
          name: 'file',
          environment: 'node',
          // As in workerd, one process runs file after file, so that modules are loaded once.
          isolate: false,
          include: OVER_FILES_TOO,
          globalSetup: ['test/databases/file_templates.ts'],
          setupFiles: ['test/support/teardown.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        root,
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/host/**/*.test.ts', SLOW_AT_THE_DOOR],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        root,
        test: {
          name: 'pure',
          environment: 'node',
          include: ['test/{policy,proxy-node,messages}/**/*.test.ts', 'test/*.test.ts'],
          exclude: ['**/node_modules/**', SLOW_AT_THE_DOOR],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
})
