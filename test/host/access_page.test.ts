// The commands of docs/access.md, typed as they stand there, in their order, against a running
// worker.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/tree.ts'
import { run, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

test('each command of docs/access.md does what the page says', async () => {
  const whole = readFileSync(join(ROOT, 'docs/access.md'), 'utf8')
  const page = whole.slice(whole.indexOf('\n## Grants and rules\n'))
  const lines = page.split('\n').filter((line) => /^ {4}curl /.test(line))
  const worker = await startWorkerOn('node', {
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
    ],
    users: [
      { id: 'ann', email: 'ann@example.com' },
      { id: 'bob', email: 'bob@example.com' },
    ],
  })
  try {
    const answer = await fetch(`${worker.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
    })
    const { access_token: TOKEN } = (await answer.json()) as { access_token: string }
    const outputs: Record<string, unknown>[] = []
    for (const line of lines) {
      const shell = run('bash', ['-c', line.replace(' curl ', ' curl -sf ')], {
        cwd: worker.folder,
        env: { TOKEN, ISSUER: worker.issuer, PATH: process.env['PATH'] ?? '' },
      })
      const code = await shell.exit
      expect([line, code]).toEqual([line, 0])
      outputs.push(JSON.parse(shell.output()))
    }
    expect(lines).toHaveLength(20)
    const [, , , , , , tenant, stable, ofMoment, , barred, ...answers] = outputs
    expect(tenant).toMatchObject({ counts_for: ['evaluation', 'acl', 'power'] })
    expect(stable).toMatchObject({ counts_for: ['evaluation', 'acl'] })
    expect(ofMoment).toMatchObject({ counts_for: ['evaluation'] })
    expect(barred).toMatchObject({ role: 'barred', object: 'lock-1' })
    const [opened, devices, readers, actions, why, topic, ofBob, onLock, preview] = answers
    expect(opened).toMatchObject({ decision: true })
    expect(devices).toMatchObject({ results: [{ id: 'lamp-1' }, { id: 'lock-1' }] })
    expect(readers).toMatchObject({ results: [{ id: 'ann' }, { id: 'bob' }] })
    expect(actions).toMatchObject({
      results: [{ name: 'device:command' }, { name: 'device:read' }],
    })
    expect(why).toMatchObject({ decision: false, reason: 'not_granted' })
    expect((why as { misses: { lacks: string[] }[] }).misses.map(({ lacks }) => lacks)).toEqual([
      ['condition'],
      ['condition'],
    ])
    expect(topic).toMatchObject({ decision: false, reason: 'denied', grants: [{ role: 'barred' }] })
    expect(ofBob?.['items']).toHaveLength(2)
    expect(onLock?.['items']).toHaveLength(4)
    expect(preview).toMatchObject({ examined: 1, gains: { count: 1 }, loses: { count: 0 } })
  } finally {
    await worker.stop()
  }
}, 90_000)
