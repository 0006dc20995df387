// The commands of docs/devices.md, typed as they stand there, in their order, against a running
// worker.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { ROOT } from '../support/tree.ts'
import { run, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

test('each command of docs/devices.md does what the page says', async () => {
  const page = readFileSync(join(ROOT, 'docs/devices.md'), 'utf8')
  const lines = page.split('\n').filter((line) => /^ {4}(npm|curl|openssl) /.test(line))
  const ops = {
    client_id: 'ops',
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    scope: 'manage',
  }
  const worker = await startWorkerOn('node', { clients: [ops] })
  try {
    const answer = await fetch(`${worker.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
    })
    const { access_token: TOKEN } = (await answer.json()) as { access_token: string }
    const npm = `npm() { shift 4; "${process.execPath}" "${join(ROOT, 'worker/entry/cli.ts')}" "$@"; }`
    const type = async (line: string) => {
      const shell = run('bash', ['-c', `${npm}\n${line.replace(' curl ', ' curl -sf ')}`], {
        cwd: worker.folder,
        env: { TOKEN, ISSUER: worker.issuer, PATH: process.env['PATH'] ?? '' },
      })
      const code = await shell.exit
      expect([line, code, code === 0 ? '' : shell.output()]).toEqual([line, 0, ''])
      return shell.output()
    }
    const outputs: string[] = []
    for (const line of lines) outputs.push(await type(line))
    expect(lines).toHaveLength(11)
    const [, , made, created, token, , second, time, demanded, ofType, listed] = outputs
    expect(JSON.parse(made ?? '')).toMatchObject({ name: 'lamp' })
    expect(JSON.parse(created ?? '')).toMatchObject({ credentials: [{ kind: 'jwk' }] })
    const jwt = /ey\S+/.exec(token ?? '')?.[0] ?? ''
    expect(decodeJwt(jwt)).toMatchObject({ sub: 'lamp-1' })
    expect(second).toContain('device lamp-2 created')
    expect(JSON.parse(time ?? '')).toEqual({ now: expect.any(Number) })
    const rotate_by = 4_000_000_000
    expect(JSON.parse(demanded ?? '')).toEqual({ rotate_by, keys: 1 })
    expect(JSON.parse(ofType ?? '')).toMatchObject({ type: 'lamp', rotate_by })
    expect(JSON.parse(listed ?? '')).toMatchObject({
      items: [{ rotate_by, expires_at: rotate_by, last_used_at: expect.any(Number) }],
    })
  } finally {
    await worker.stop()
  }
})
