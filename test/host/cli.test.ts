// The commands of the command line that no other suite types: each on an empty folder, for people
// and in JSON.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HranaEndpoint, serveHrana } from '../../worker/entry/hrana/hrana.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { runCli } from './programs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeAll(() => {
  folder = temporaryFolder()
})
afterAll(() => folder.remove())

const answer = async (...args: string[]) => {
  const { code, output } = await runCli([...args, '--json'], folder.path)
  expect(code, output).toBe(0)
  return JSON.parse(output)
}

test('migrate brings an empty database up to date, and a second time changes nothing', async () => {
  const files = readdirSync(join(ROOT, 'migrations')).filter((file) => file.endsWith('.sql'))
  expect(await answer('migrate')).toEqual({
    applied: files.sort().map((file) => file.slice(0, -'.sql'.length)),
  })
  expect((await runCli(['migrate'], folder.path)).output.trim()).toBe('no changes')
})

test('key rotate makes one key that waits; a second time it is the same', async () => {
  const before = (await answer('key', 'list')) as { keys: { kid: string; alg: string }[] }
  expect(before.keys.map(({ alg }) => alg).sort()).toEqual(['ES256', 'RS256'])
  const next = await answer('key', 'rotate')
  expect(next.signs_at).toBeGreaterThan(Date.now() / 1000 + 300)
  expect(await answer('key', 'rotate')).toEqual(next)
  const after = (await answer('key', 'list')) as typeof before
  expect(after.keys.map(({ kid }) => kid)).toContain(next.kid)
  expect(after.keys).toHaveLength(3)
  const refused = await runCli(['key', 'rotate', '--alg', 'HS256'], folder.path)
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('HS256')])
})

test('key rotate says when the new key is published and signs, and that it waits already', async () => {
  const { kid, published_at, signs_at } = await answer('key', 'rotate', '--alg', 'RS256')
  // The two are taken one after the other, and a second may begin between them.
  expect(signs_at - published_at).toBeOneOf([359, 360])
  const { output } = await runCli(['key', 'rotate', '--alg', 'RS256'], folder.path)
  expect(output).toContain(`${kid}  RS256  waits already`)
  expect(output).toContain(`published since ${new Date(published_at * 1000).toISOString()}`)
  expect(output).toContain(`signs from      ${new Date(signs_at * 1000).toISOString()}`)
})

test('key revoke takes a key out, says what signs now and how long verifiers may need', async () => {
  const { keys } = (await answer('key', 'list')) as { keys: { kid: string; alg: string }[] }
  const [key] = keys.filter(({ alg }) => alg === 'ES256')
  const { code, output } = await runCli(['key', 'revoke', key!.kid], folder.path)
  expect(code, output).toBe(0)
  const after = (await answer('key', 'list')) as { keys: typeof keys }
  const kids = keys.map(({ kid }) => kid)
  const [successor] = after.keys.filter(({ kid }) => !kids.includes(kid))
  expect(output).toContain(`${successor!.kid}  ES256  signs in its place`)
  expect(output).toContain('Verifiers elsewhere may need five minutes')
  expect(after.keys.map(({ kid }) => kid)).not.toContain(key!.kid)
  const again = await runCli(['key', 'revoke', key!.kid], folder.path)
  expect([again.code, again.output.trim()]).toEqual([2, 'there is no such signing key'])
  const nameless = await runCli(['key', 'revoke'], folder.path)
  const missing = 'Say which key: its kid is missing. All commands: npm run allauth -- --help\n'
  expect([nameless.code, nameless.output]).toEqual([2, missing])
})

describe('after SECRET_KEY was rotated', () => {
  let rotated: ReturnType<typeof temporaryFolder>
  let kids: string[]
  let SECRET_KEY: string
  beforeAll(async () => {
    rotated = temporaryFolder()
    const { output } = await runCli(['key', 'list', '--json'], rotated.path)
    kids = (JSON.parse(output) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
    const own = readFileSync(join(rotated.path, '.allauth/secret_key'), 'utf8').trim()
    SECRET_KEY = `${Buffer.alloc(32, 5).toString('base64url')},${own}`
  })
  afterAll(() => rotated.remove())
  const run = (...args: string[]) => runCli(args, rotated.path, { SECRET_KEY })

  test('key status tells that the old one must stay', async () => {
    const { output } = await run('key', 'status')
    expect(output).toMatch(/newest.*no server has started with it yet/)
    expect(output).toMatch(/older .*must stay/)
  })

  test('key reseal seals all anew, and key status tells when the old one may go', async () => {
    const resealed = await run('key', 'reseal')
    expect(resealed.output).toContain(`sealed anew: ${kids.length} signing keys, 0 stored secrets`)
    const after = JSON.parse((await run('key', 'status', '--json')).output)
    expect(after.secret_keys).toMatchObject([
      { is_newest: true, signing_keys: kids.length },
      { is_newest: false, signing_keys: 0, may_go: false, may_go_at: expect.any(Number) },
    ])
  })

  test('key delete refuses a key that can be opened; the old SECRET_KEY alone rotates nothing', async () => {
    const refused = await run('key', 'delete', kids[0]!)
    expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('opens this key')])
    const without = await runCli(['key', 'rotate'], rotated.path)
    expect([without.code, without.output]).toEqual([2, expect.stringContaining('does not open')])
  })
})

describe('a database elsewhere, and no SECRET_KEY of it here', () => {
  const SECRET_KEY = Buffer.alloc(32, 3).toString('base64url')
  let elsewhere: HranaEndpoint
  let laptop: ReturnType<typeof temporaryFolder>
  beforeAll(async () => {
    laptop = temporaryFolder()
    elsewhere = await serveHrana({ file: join(folder.path, 'elsewhere.db') })
  })
  afterAll(async () => {
    await elsewhere.close()
    laptop.remove()
  })
  /** At an address that is not one of this machine. */
  const remote = () => ({ DATABASE_URL: elsewhere.url.replace('127.0.0.1', '0.0.0.0') })
  const onLaptop = (...args: string[]) => runCli(args, laptop.path, remote())

  test('is migrated, and gets no key', async () => {
    expect((await onLaptop('migrate')).code).toBe(0)
    const { code, output } = await onLaptop('key', 'list')
    expect([code, output]).toEqual([2, expect.stringContaining('SECRET_KEY is missing')])
    expect(existsSync(join(laptop.path, '.allauth'))).toBe(false)
  })

  const listed = async () => {
    const server = { ...remote(), SECRET_KEY }
    return (await runCli(['key', 'list', '--json'], folder.path, server)).output
  }

  test('keeps its keys where this machine has no SECRET_KEY: they are listed, and none is made', async () => {
    const before = await listed()
    const bare = await onLaptop('key', 'rotate')
    expect([bare.code, bare.output]).toEqual([2, expect.stringContaining('SECRET_KEY is missing')])
    const { output } = await onLaptop('key', 'list', '--json')
    expect(output).toBe(before)
    const { keys } = JSON.parse(before) as { keys: { kid: string }[] }
    const removed = await onLaptop('key', 'delete', keys[0]!.kid)
    expect([removed.code, removed.output]).toEqual([2, expect.stringContaining('--force')])
  })

  test('keeps them where this machine has the SECRET_KEY of another database, or a wrong one', async () => {
    const before = await listed()
    expect((await runCli(['migrate'], laptop.path)).code).toBe(0)
    expect(existsSync(join(laptop.path, '.allauth/secret_key'))).toBe(true)
    for (const alg of ['ES256', 'EdDSA']) {
      const { code, output } = await onLaptop('key', 'rotate', '--alg', alg)
      expect([code, output]).toEqual([2, expect.stringContaining('SECRET_KEY is missing')])
    }
    const wrong = await runCli(['key', 'rotate'], laptop.path, {
      ...remote(),
      SECRET_KEY: Buffer.alloc(32, 4).toString('base64url'),
    })
    expect([wrong.code, wrong.output]).toEqual([2, expect.stringContaining('does not open')])
    expect(await listed()).toBe(before)
  })
})

test('registration-token create gives a token once; numbers that are none are refused', async () => {
  const options = [
    '--scope',
    'openid mqtt',
    '--max-uses',
    '3',
    '--expires-in',
    '60',
    '--name',
    'ci',
  ]
  const made = await answer('registration-token', 'create', ...options)
  expect(made).toMatchObject({
    initial_access_token: expect.stringMatching(/^[\w-]{43}$/),
    description: 'ci',
    scope: 'openid mqtt',
    max_uses: 3,
    uses: 0,
  })
  expect(made.expires_at - made.created_at).toBeOneOf([59, 60, 61])
  const plain = await runCli(['registration-token', 'create'], folder.path)
  expect([plain.code, plain.output.trim()]).toEqual([0, expect.stringMatching(/^[\w-]{43}$/)])
  const refused = await runCli(['registration-token', 'create', '--max-uses', 'many'], folder.path)
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('--max-uses many')])
})

test('refusal says the sentence of a reason in the log, and knows no other', async () => {
  expect(await answer('refusal', 'wrong_secret')).toMatchObject({
    reason: 'wrong_secret',
    sentence: expect.stringMatching(/secret/),
  })
  const unknown = await runCli(['refusal', 'nothing'], folder.path)
  expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('nothing')])
})

test('user reset gives a link to a new password, for a disabled person with a note', async () => {
  const file = join(folder.path, 'people.json')
  const users = [
    { id: 'ann', email: 'ann@example.com' },
    { email: 'bob@example.com', status: 'disabled' },
  ]
  writeFileSync(file, JSON.stringify({ users }))
  await answer('apply', file)
  const made = await answer('user', 'reset', 'Ann@Example.com')
  expect(made.user_id).toBe('ann')
  expect(made.url).toMatch(/^http:\/\/localhost:8787\/recover\/password\?token=[\w-]{43}$/)
  expect(made.expires_at).toBeGreaterThan(Date.now() / 1000 + 3500)
  const disabled = await runCli(['user', 'reset', 'bob@example.com'], folder.path)
  expect(disabled.code).toBe(0)
  expect(disabled.output).toContain('stays so after a new password')
  const unknown = await runCli(['user', 'reset', 'eve@example.com'], folder.path)
  expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('eve@example.com')])
  expect((await runCli(['user', 'reset'], folder.path)).code).toBe(2)
})

test('user create makes a person who chooses a password behind a link, with a role where one is named', async () => {
  const made = await answer('user', 'create', 'New@Example.com', '--name', 'Neo', '--locale', 'pl')
  expect(made.user_id).toMatch(/^usr_/)
  expect(made.url).toMatch(/^http:\/\/localhost:8787\/recover\/password\?token=[\w-]{43}$/)
  const operator = await runCli(
    ['user', 'create', 'boss@example.com', '--role', 'operator'],
    folder.path,
    { ISSUER: 'https://id.example' },
  )
  expect(operator.output).toMatch(/^https:\/\/id\.example\/recover\/password\?token=\S+\n$/)
  const database = createClient({ url: `file:${join(folder.path, '.allauth/allauth.db')}` })
  const { rows } = await database.execute(`select email, user.name, locale, role, object_id
    from user left join "grant" on subject_id = user.id
    where email in ('New@Example.com', 'boss@example.com') order by email`)
  database.close()
  expect(rows.map((row) => [...Object.values(row)])).toEqual([
    ['New@Example.com', 'Neo', 'pl', null, null],
    ['boss@example.com', null, null, 'operator', '*'],
  ])
})

test('user create says what to do where it cannot', async () => {
  const refused = async (...args: string[]) => {
    const { code, output } = await runCli(['user', 'create', ...args], folder.path)
    expect(code, output).toBe(2)
    return output
  }
  expect(await refused()).toContain('the e-mail address is missing')
  expect(await refused('nobody')).toContain('the address: ')
  expect(await refused('a@example.com', 'b@example.com')).toContain('is not understood here')
  expect(await refused('a@example.com', '--locale', '!')).toContain(
    '--locale: must be a language tag',
  )
  expect(await refused('a@example.com', '--name', 'x'.repeat(201))).toContain('--name: ')
  const role = await refused('a@example.com', '--role', 'king')
  expect(role).toContain('There is no role king. There are: ')
  expect(role).toContain('operator')
  // The person was not made without the role.
  await answer('user', 'create', 'a@example.com')
  expect(await refused('A@example.com')).toContain('user reset A@example.com')
})

test('a filter that no list has is refused, and the names of those that it has are said', async () => {
  for (const what of ['device', 'grant']) {
    const { code, output } = await runCli([what, 'list', '--filter', 'statsu=active'], folder.path)
    expect(code).toBe(2)
    expect(output).toContain('--filter statsu is no filter. There are: ')
  }
  expect((await runCli(['device', 'list', '--filter', 'metadata.room=x'], folder.path)).code).toBe(
    0,
  )
})

test('groups are shown in words, and as JSON where that is asked for', async () => {
  const made = await runCli(['group', 'create', 'depot', '--kind', 'store'], folder.path)
  expect(made.output).toContain('id: depot\nkind: store\n')
  const { output } = await runCli(['group', 'list'], folder.path)
  expect(output).toMatch(/^id=depot {2}kind=store {2}/m)
  expect(await answer('group', 'get', 'depot')).toMatchObject({ id: 'depot', kind: 'store' })
})

test('user create mails the link where mails are sent', async () => {
  const env = { EMAIL_URL: 'smtp://localhost:1', EMAIL_FROM: 'Home <home@example.com>' }
  const { code, output } = await runCli(
    ['user', 'create', 'mailed@example.com', '--json'],
    folder.path,
    { ...env, ISSUER: 'http://localhost:8787' },
  )
  expect(code, output).toBe(0)
  expect(
    JSON.parse(output.split('\n').find((line) => line.startsWith('{"user_id"')) ?? ''),
  ).toMatchObject({
    url: null,
    mail_id: expect.stringMatching(/^mail_/),
  })
})

test('setup-link gives a link as long as there is no operator', async () => {
  const note = 'Note: ISSUER is not set, so the link begins with http://localhost:8787'
  expect((await runCli(['setup-link'], folder.path)).output).toContain(note)
  const named = await runCli(['setup-link'], folder.path, { ISSUER: 'https://id.example' })
  expect(named.output).toMatch(/^https:\/\/id\.example\/setup\?token=\S+\n$/)
  expect((await answer('setup-link')).setup_link).toMatch(/^http:\/\/localhost:8787\/setup\?token=/)
})
