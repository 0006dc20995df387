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
  const lines = page.split('\n').filter((line) => /^ {4}(npm|curl|printf|openssl|node) /.test(line))
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
    expect(lines).toHaveLength(53)
    const [type, made, byTag, byMac, byWord, , dry, imported, token, listed, ...more] = outputs
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
    const [plug, , plugs, , code, shown, again, sheet] = more.splice(0, 8)
    expect(read(plug)).toMatchObject({ name: 'plug', claim: 'again' })
    expect(read(plugs)).toMatchObject({
      summary: { created: 1, failed: 0 },
      claim_codes: [{ claim_uri: expect.stringContaining('/claim?token=') }],
    })
    expect(read(code)).toMatchObject({ device_id: 'plug-2', state: 'open' })
    expect(read(shown)).not.toHaveProperty('claim_code')
    expect(read(again)).toMatchObject({ device_id: 'plug-2', state: 'open' })
    expect(read(sheet)).toEqual({ file: 'plugs.html', codes: 2 })
    const printed = readFileSync(join(worker.folder, 'plugs.html'), 'utf8')
    expect(printed.match(/<section>/g)).toHaveLength(2)
    expect(printed).toContain('<svg')
    expect(printed).toContain('SP-0001')
    expect(printed).toMatch(/<code>(?:[0-9A-Z]{4}-){4}[0-9A-Z]{4}<\/code>/)
    const [tried, begun, , jobs, byFilter, active, tagged, depot, moved, granted, whole] = more
    expect(read(tried)).toMatchObject({ count: 1, is_complete: true, first: [{ id: 'm-1' }] })
    expect(read(begun)).toMatchObject({ state: 'selecting', change: { action: 'suspend' } })
    expect(read(jobs)).toMatchObject({
      items: [{ state: 'done', progress: { total: 1, done: 1 } }],
    })
    expect(read(byFilter)).toMatchObject({ items: [{ id: 'm-1', status: 'suspended' }] })
    expect(read(active)).toMatchObject({ status: 'active' })
    expect(read(tagged)).toMatchObject({ tags: ['spare'] })
    expect(read(depot)).toMatchObject({ id: 'depot', kind: 'store' })
    expect(read(moved)).toMatchObject({ groups: ['depot'] })
    expect(read(granted)).toMatchObject({ subject: 'm-1', role: 'operator', object: 'depot' })
    expect(read(whole)).toMatchObject({ count: 1, first: [{ id: 'm-1' }] })
    const [rotating, explained, entries] = more.slice(11)
    expect(read(rotating)).toMatchObject({ state: 'selecting', change: { action: 'rotate' } })
    expect(read(explained)).toMatchObject({ decision: expect.any(Boolean) })
    expect(read(entries)).toMatchObject({ items: [{ kind: 'device', origin: 'm-1' }] })
    const [, , lampType, created, jwt, , second, time, demanded, ofType, credentials, ...last] =
      more.slice(14)
    expect(read(lampType)).toMatchObject({ name: 'lamp' })
    expect(read(created)).toMatchObject({ credentials: [{ kind: 'jwk' }] })
    expect(decodeJwt(/ey\S+/.exec(jwt ?? '')?.[0] ?? '')).toMatchObject({ sub: 'lamp-1' })
    expect(second).toContain('device lamp-2 created')
    expect(read(time)).toEqual({ now: expect.any(Number) })
    const rotate_by = 4_000_000_000
    expect(read(demanded)).toEqual({ rotate_by, keys: 1 })
    expect(read(ofType)).toMatchObject({ type: 'lamp', rotate_by })
    expect(read(credentials)).toMatchObject({
      items: [{ rotate_by, expires_at: rotate_by, last_used_at: expect.any(Number) }],
    })
    const [, withCertificate, , authority, authorities, , , , , verified] = last
    expect(verified).toContain('lamp-1.certificate.pem: OK')
    expect(read(withCertificate)).toMatchObject({ credentials: [{ kind: 'x509', ca: null }] })
    expect(read(authority)).toMatchObject({ name: 'works', names: 'id', enabled: true })
    expect(read(authorities)).toMatchObject({ items: [{ name: 'works', device_type: 'lamp' }] })
  } finally {
    await worker.stop()
  }
}, 240_000)
