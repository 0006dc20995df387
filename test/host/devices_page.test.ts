// The commands of docs/devices.md, typed as they stand there, in their order, against a running
// worker.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/tree.ts'
import { run, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

test('each command of docs/devices.md does what the page says', async () => {
  const page = readFileSync(join(ROOT, 'docs/devices.md'), 'utf8')
  const lines = page.split('\n').filter((line) => /^ {4}(npm|curl|printf) /.test(line))
  const worker = await startWorkerOn('node', {
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
    ],
  })
  try {
    const answer = await fetch(`${worker.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
    })
    const { access_token: TOKEN } = (await answer.json()) as { access_token: string }
    const npm = `npm() { shift 4; "${process.execPath}" "${join(ROOT, 'worker/entry/cli.ts')}" "$@"; }`
    const outputs: string[] = []
    for (const line of lines) {
      const shell = run('bash', ['-c', `${npm}\n${line.replace(' curl ', ' curl -sf ')}`], {
        cwd: worker.folder,
        env: { TOKEN, ISSUER: worker.issuer, PATH: process.env['PATH'] ?? '' },
      })
      const code = await shell.exit
      expect([line, code, code === 0 ? '' : shell.output()]).toEqual([line, 0, ''])
      outputs.push(shell.output())
    }
    expect(lines).toHaveLength(10)
    const [type, made, byTag, byMac, byWord, , dry, imported, token, listed] = outputs
    const read = (text: string | undefined) => JSON.parse(text ?? '') as Record<string, unknown>
    expect(read(type)).toMatchObject({ name: 'meter', token_ttl: 600 })
    expect(read(made)).toMatchObject({ id: 'm-1', tags: ['lot-7'], metadata: { phases: 3 } })
    for (const found of [byTag, byMac, byWord]) {
      expect(read(found)).toMatchObject({ items: [{ id: 'm-1' }], next_cursor: null })
    }
    expect(dry).toContain('"summary":{"created":1,')
    expect(read(imported)).toMatchObject({ summary: { created: 1, failed: 0 }, failed: [] })
    expect(read(token)).toMatchObject({ type: 'meter', uses: 100, again: 'keep' })
    expect(read(listed)).toMatchObject({ is_listed: true, again: 'reset' })
  } finally {
    await worker.stop()
  }
}, 90_000)
