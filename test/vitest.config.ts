import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

// Two hosts for the tests: the rooms of the worker run inside workerd, all that spawns runs on Node.
const root = new URL('..', import.meta.url).pathname

export default defineConfig({
  root,
  test: {
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
          include: ['test/{ground,keys,pages,access,identity,devices,oauth,admin}/**/*.test.ts'],
          globalSetup: ['test/database_farm.ts'],
          testTimeout: 30_000,
        },
      },
      {
        root,
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/{host,policy,proxy-node}/**/*.test.ts', 'test/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
})
