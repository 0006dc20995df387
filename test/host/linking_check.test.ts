// `npm run allauth -- linking-check` against a running worker on Node, over its own database: both
// presets pass, a client made by hand fails where it is wrong, and nothing is left of what the
// check made.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { until } from './mproxy_fixtures/until.ts'
import { type RunningWorker, runCli, run as runProgram, startWorkerOn } from './programs.ts'

const SECRET = 'linking-secret-of-at-least-32-characters'
const OPS_SECRET = 'ops-secret-of-at-least-32-characters-0001'

let worker: RunningWorker
beforeAll(async () => {
  const linked = { client_secret: SECRET, scope: 'openid email' }
  worker = await startWorkerOn('node', {
    settings: { service_name: 'Lamps Ltd' },
    clients: [
      {
        client_id: 'ops',
        client_secret: OPS_SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
      {
        ...linked,
        client_id: 'google',
        preset: { name: 'google-home', project_id: 'lamps-12345' },
      },
      { ...linked, client_id: 'alexa', preset: { name: 'alexa', vendor_id: 'M2AB3CD4EF5GH' } },
      // Its tokens cannot be tried at userinfo.
      {
        ...linked,
        client_id: 'other-scope',
        preset: { name: 'alexa', vendor_id: 'M2AB3CD4EF5GH' },
        scope: 'lamps',
      },
      {
        ...linked,
        client_id: 'by-hand',
        redirect_uris: [
          'https://oauth-redirect.googleusercontent.com/r/lamps-12345',
          'https://oauth-redirect.googleusercontent.com/r/lamps-12345/',
        ],
        grant_types: ['authorization_code', 'refresh_token'],
        scope: 'openid offline_access',
        require_pkce: false,
        access_token_ttl: 120,
      },
      {
        ...linked,
        client_id: 'with-pkce',
        redirect_uris: ['https://layla.amazon.com/api/skill/link/M2AB3CD4EF5GH'],
      },
      { ...linked, client_id: 'app', redirect_uris: ['https://app.example/callback'] },
    ],
  })
}, 60_000)
afterAll(() => worker.stop())

type Checked = {
  vendor: string
  findings: { rule: string; result: string; detail?: string }[]
}

const env = () => ({ PORT: new URL(worker.issuer).port, ISSUER: worker.issuer })
const run = (...args: string[]) => runCli(['linking-check', ...args], worker.folder, env())

/** The rules by what became of them. */
async function check(client_id: string) {
  const { code, output } = await run(client_id, '--json')
  const { vendor, findings } = JSON.parse(output) as Checked
  const those = (result: string) =>
    findings.filter((one) => one.result === result).map(({ rule }) => rule)
  return { code, vendor, findings, those }
}

/** The answer of `/v1` to the operator. */
async function read(path: string): Promise<{ items: Record<string, unknown>[] }> {
  const answer = await fetch(`${worker.issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${OPS_SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  const { access_token } = (await answer.json()) as { access_token: string }
  const headers = { authorization: `Bearer ${access_token}` }
  return (await fetch(worker.issuer + path, { headers })).json() as never
}

test('the blueprint that docs/linking.md shows applies as it stands', async () => {
  const page = readFileSync(join(ROOT, 'docs/linking.md'), 'utf8')
  const [, block = ''] = /( {4}settings: \{[\s\S]*?)\n\nThe preset/.exec(page) ?? []
  const folder = temporaryFolder()
  writeFileSync(join(folder.path, 'linking.yaml'), block.replaceAll(/^ {4}/gm, ''))
  const secrets = { GOOGLE_LINK_SECRET: SECRET, ALEXA_LINK_SECRET: SECRET }
  const apply = () => runCli(['apply', 'linking.yaml'], folder.path, secrets)
  const { code, output } = await apply()
  expect(code, output).toBe(0)
  expect(output).toContain('created client alexa')
  expect((await apply()).output.trim()).toBe('no changes')
  folder.remove()
})

describe('linking-check', () => {
  test.each([
    ['google', 'Google'],
    ['alexa', 'Amazon Alexa'],
    ['other-scope', 'Amazon Alexa'],
  ])('finds nothing wrong with %s', async (client_id, title) => {
    const { code, vendor, those, findings } = await check(client_id)
    expect(findings.filter(({ result }) => result === 'fail')).toEqual([])
    expect([code, vendor, those('not_reached')]).toEqual([0, title, []])
    // http on this machine will do for trying.
    expect(those('warn')).toEqual(['https'])
    expect(findings.length).toBeGreaterThan(20)
  })

  test('says in words what passes, and that nothing is left behind', async () => {
    const { code, output } = await run('google')
    expect(code).toBe(0)
    expect(output).toContain('google, as Google uses it:')
    expect(output).toContain('pass  access tokens are no JWTs')
    expect(output).toContain('Google can link accounts here.')
    expect(output).toContain('are deleted again.')
    expect(output).not.toMatch(/FAIL|eyJ/)
  })

  test('finds what is wrong with a client made by hand, rule by rule', async () => {
    const { code, those, findings } = await check('by-hand')
    expect(code).toBe(1)
    expect(those('fail')).toEqual([
      'preset',
      'addresses',
      'foreign_addresses',
      'wording',
      'secret_in_body',
      'expires_in',
      'no_jwt',
      'wrong_secret',
    ])
    expect(those('not_reached')).toEqual([])
    const detail = (rule: string) => findings.find((one) => one.rule === rule)?.detail
    expect(detail('preset')).toContain('"project_id":"lamps-12345"')
    expect(detail('addresses')).toContain('oauth-redirect-sandbox')
    expect(detail('foreign_addresses')).toContain('/r/lamps-12345/ is accepted')
    expect(detail('expires_in')).toContain('120')
    expect(detail('wrong_secret')).toContain('401 invalid_client')
    const { output } = await run('by-hand')
    expect(output).toContain('FAIL  access tokens are no JWTs')
    expect(output).toContain('8 rules are broken.')
  })

  test('says how far it came where no link comes about', async () => {
    const { code, those, findings } = await check('with-pkce')
    expect(code).toBe(1)
    expect(those('fail')).toEqual(['preset', 'addresses', 'link'])
    expect(those('not_reached')).toContain('refresh_token')
    expect(findings.find(({ rule }) => rule === 'link')?.detail).toContain('code_challenge')
  })

  test.each([
    ['a client that is not there', ['nobody'], 'There is no client nobody'],
    ['a client of nothing of the kind', ['app'], 'neither a preset nor an address of a vendor'],
    ['no client', [], 'which client'],
    [
      'a server that does not answer',
      ['google', '--issuer', 'http://localhost:1'],
      'Is it running?',
    ],
  ])('refuses to check %s', async (_, args, words) => {
    const { code, output } = await run(...args)
    expect([code, output]).toEqual([2, expect.stringContaining(words)])
  })

  test('takes away what it made also when somebody stops it', async () => {
    const args = [join(ROOT, 'worker/entry/cli.ts'), 'linking-check', 'alexa']
    const program = runProgram(process.execPath, args, { cwd: worker.folder, env: env() })
    await until('a person is made', async () => (await read('/v1/users')).items.length > 0, 20)
    program.process.kill('SIGINT')
    expect(await program.exit).toBe(2)
    expect(program.output()).toContain('Stopped; what was made for it is deleted.')
  })

  // Last: after all the checks above, those included that went wrong.
  test('leaves no person and no secret behind', async () => {
    expect((await read('/v1/users')).items).toEqual([])
    for (const id of ['google', 'alexa', 'other-scope', 'by-hand', 'with-pkce', 'app']) {
      expect((await read(`/v1/clients/${id}/secrets`)).items).toHaveLength(1)
    }
  })
})
