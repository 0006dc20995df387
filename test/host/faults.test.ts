// The message for a person when something outside is wrong: one clear line, exit code 2, and
// nothing damaged.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Statement, sql } from '../../worker/db/sql.ts'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'
import { serveHrana } from '../../worker/entry/hrana/hrana.ts'
import { makeAuthority } from '../support/certificates.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { makeBlueprint } from './black_box.ts'
import { run, runCli } from './programs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

const worker = (env: Record<string, string> = {}) =>
  run(process.execPath, [join(ROOT, 'worker/entry/node.ts')], { cwd: folder.path, env })

/** Ends by itself with code 2 and says what is expected in no more than `lines` lines. */
async function refuses(env: Record<string, string>, text: RegExp, lines = 1) {
  const program = worker(env)
  expect(await program.exit, program.output()).toBe(2)
  expect(program.output()).toMatch(text)
  expect(program.output().trim().split('\n').length, program.output()).toBeLessThanOrEqual(lines)
}

test('all faulty settings are reported together, each with its name and an example', async () => {
  const env = {
    ISSUER: 'http://id.example.com',
    PORT: '99999',
    SECRET_KEY: 'short',
    DATABASE_URL: 'mysql://x',
    SURFACE: 'some',
    ADMIN_EMAIL: 'nobody',
    TRUSTED_PROXY: 'everyone',
  }
  const program = worker(env)
  expect(await program.exit).toBe(2)
  for (const name of ['ISSUER', 'PORT', 'SECRET_KEY', 'DATABASE_URL', 'SURFACE', 'ADMIN_EMAIL']) {
    expect(program.output()).toMatch(new RegExp(`^${name} .*Example: ${name}=`, 'm'))
  }
  expect(program.output()).toMatch(/^ADMIN_PASSWORD .*is missing/m)
  expect(program.output()).not.toContain('at ')
})

test('a port in use is named, and the other program goes on', async () => {
  const other = createServer()
  const port = await new Promise<number>((done) => {
    other.listen(0, '127.0.0.1', () => done((other.address() as { port: number }).port))
  })
  await refuses({ PORT: String(port) }, new RegExp(`Port ${port} on 127.0.0.1 is in use`))
  expect(other.listening).toBe(true)
  other.close()
})

test('a file that is no database is left as it is', async () => {
  mkdirSync(join(folder.path, '.allauth'))
  const file = join(folder.path, '.allauth/allauth.db')
  writeFileSync(file, 'a letter to somebody, and certainly not a database')
  await refuses({ PORT: String(await findFreePort()) }, /allauth\.db/)
  expect(readFileSync(file, 'utf8')).toBe('a letter to somebody, and certainly not a database')
})

test('a database that does not answer is named', async () => {
  const port = await findFreePort()
  await refuses(
    { DATABASE_URL: `http://127.0.0.1:${port}`, PORT: String(await findFreePort()) },
    new RegExp(`127.0.0.1:${port} cannot be reached.*DATABASE_URL`),
    2,
  )
})

test('a password in DATABASE_URL is refused, and not repeated', async () => {
  const env = { DATABASE_URL: 'http://user:geheim@127.0.0.1:1' }
  await refuses(env, /^DATABASE_URL .*DATABASE_AUTH_TOKEN(?!.*geheim)/, 2)
})

test('under a wrong SECRET_KEY nothing starts and no key is made; under the right one all goes on', async () => {
  const right = Buffer.alloc(32, 1).toString('base64url')
  const wrong = Buffer.alloc(32, 2).toString('base64url')
  const port = String(await findFreePort())
  const kids = async (secret: string) => {
    const program = worker({ PORT: port, SECRET_KEY: secret })
    await program.printed(/listens on/)
    const answer = await fetch(`http://localhost:${port}/.well-known/jwks.json`)
    const { keys } = (await answer.json()) as { keys: { kid: string }[] }
    expect(await program.stop()).toBe(0)
    return keys.map((key) => key.kid)
  }
  const before = await kids(right)
  await refuses({ PORT: port, SECRET_KEY: wrong }, /SECRET_KEY does not open the signing keys/)
  expect(await kids(`${wrong},${right}`)).toEqual(before)
  expect(await kids(right)).toEqual(before)
})

test('a start is held up by a lost secret of the system, and not by rows that run out', async () => {
  const PORT = String(await findFreePort())
  const start = async () => {
    const program = worker({ PORT })
    await program.printed(/listens on/)
    expect((await fetch(`http://localhost:${PORT}/readyz`)).status).toBe(200)
    expect(await program.stop()).toBe(0)
    return program.output()
  }
  expect(await start()).not.toContain('does not open')
  const lost = `v1.AAAAAAAA.${Buffer.alloc(40).toString('base64url')}`
  const change = async (statement: Statement) => {
    const database = await openEmbeddedDatabase(`file:${join(folder.path, '.allauth/allauth.db')}`)
    await database.write(statement)
    await database.close()
  }
  await change(
    sql`insert into stored_secret (name, value, created_at) values ('a salt', ${lost}, 0)`,
  )
  await refuses({ PORT }, /SECRET_KEY does not open.*stored_secret.value:a salt/)
  await change(sql`delete from stored_secret`)
  await change(sql`insert into idempotency_key (hash, rid, request_hash, status, response, expires_at)
    values ('x', 'x', 'x', 200, ${lost}, 9999999999)`)
  expect(await start()).toMatch(/"level":"warn".*does not open some rows.*"other_rows":1/)
})

test('beside a database that is there already, or elsewhere, no SECRET_KEY is made', async () => {
  const PORT = String(await findFreePort())
  const key = join(folder.path, '.allauth/secret_key')
  expect((await runCli(['key', 'list'], folder.path)).code).toBe(0)
  rmSync(key)
  await refuses({ PORT }, /SECRET_KEY is missing.*\.allauth\/secret_key.*Example: SECRET_KEY=/)
  // With the other faults, so that one start names them all.
  await refuses({ PORT: 'x' }, /^PORT is .*\nSECRET_KEY is missing/, 2)
  await refuses(
    { PORT, DATABASE_URL: `http://127.0.0.1:${await findFreePort()}` },
    /cannot be reached.*\nSECRET_KEY is missing/,
    2,
  )
  await refuses({ PORT: 'x', TRUSTED_PROXY: 'y' }, /PORT is .*\nTRUSTED_PROXY has "y"/, 3)
  const endpoint = await serveHrana({ file: join(folder.path, 'elsewhere.db') })
  await refuses({ PORT, DATABASE_URL: endpoint.url }, /SECRET_KEY is missing/)
  await endpoint.close()
  expect(existsSync(key)).toBe(false)
})

test('a broken blueprint applies nothing and names file, path and reason of every fault', async () => {
  const { blueprint } = await makeBlueprint()
  const file = join(folder.path, 'site.json')
  const broken = structuredClone(blueprint) as Record<string, Record<string, unknown>[]>
  broken['devices']![0]!['type'] = 'dimmmer'
  broken['grants']![0]!['object'] = 'site-13'
  broken['clients']![0]!['client_secret'] = '${NOT_SET_ANYWHERE}'
  broken['users']![0]!['emial'] = 'x'
  writeFileSync(file, JSON.stringify(broken))
  const { code, output } = await runCli(['apply', 'site.json'], folder.path)
  expect(code, output).toBe(2)
  expect(output).toMatch(/site\.json: clients\[0\]\.client_secret: .*NOT_SET_ANYWHERE/)
  expect(output).toMatch(/site\.json: users\[0\].*emial/)
  expect(output).toContain('Nothing was applied')

  delete broken['users']![0]!['emial']
  broken['clients']![0]!['client_secret'] = 'ops-secret-of-at-least-32-characters-0001'
  writeFileSync(file, JSON.stringify(broken))
  const second = await runCli(['apply', 'site.json'], folder.path)
  expect(second.code, second.output).toBe(2)
  expect(second.output).toMatch(/site\.json: devices\[0\]\.type: .*dimmmer/)
  expect(second.output).toMatch(/site\.json: grants\[0\]\.object: .*site-13/)

  writeFileSync(file, JSON.stringify(blueprint))
  const dry = await runCli(['apply', 'site.json', '--dry-run'], folder.path)
  expect(dry.code, dry.output).toBe(0)
  const good = await runCli(['apply', 'site.json'], folder.path)
  expect(dry.output).toBe(`${good.output}Nothing was written: this was --dry-run.\n`)
  expect(good.output.trim().split('\n')).toHaveLength(9)
  expect((await runCli(['apply', 'site.json'], folder.path)).output.trim()).toBe('no changes')
})

test('the blueprint that docs/management.md shows applies as it stands, with a real key', async () => {
  const page = readFileSync(join(ROOT, 'docs/management.md'), 'utf8')
  const [, block = ''] = /( {4}settings: \{[\s\S]*?)\n\nAll fields/.exec(page) ?? []
  const key = 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs'
  const text = block.replaceAll(/^ {4}/gm, '').replace('x: "..."', `x: ${key}`)
  writeFileSync(join(folder.path, 'home.yaml'), text)
  const { pem } = await makeAuthority()
  const env = { ANN_PASSWORD: 'zażółć gęślą jaźń 2026', WORKS_CA: pem }
  const { code, output } = await runCli(['apply', 'home.yaml'], folder.path, env)
  expect(code, output).toBe(0)
  expect(output).toContain('created grant resident for ann@example.com on site-12')
  expect((await runCli(['apply', 'home.yaml'], folder.path, env)).output.trim()).toBe('no changes')
})

test('a blueprint warns of rights that fit into no token, when it is applied and at a start', async () => {
  const file = join(folder.path, 'wide.json')
  const topics = (n: number) => Array.from({ length: n }, (_, i) => `fixed/${i}`)
  const write = (rules: number) => {
    const acl = topics(rules).map((topic) => ({ permission: 'allow', action: 'publish', topic }))
    const document = {
      settings: { acl_max_rules: 4 },
      roles: [{ name: 'wide', acl }],
      users: [{ id: 'ann', email: 'ann@example.com' }],
      grants: [{ subject: 'ann', role: 'wide', object: '*' }],
    }
    writeFileSync(file, JSON.stringify(document))
  }
  const words = 'ann@example.com would get no token any more: more than 4 rules'
  write(5)
  const first = await runCli(['apply', 'wide.json'], folder.path)
  expect([first.code, first.output]).toEqual([0, expect.stringContaining(`\nwarning: ${words}`)])
  write(6)
  const second = await runCli(['apply', 'wide.json', '--json'], folder.path)
  expect([second.code, JSON.parse(second.output)]).toEqual([
    0,
    expect.objectContaining({ warnings: [expect.stringContaining(words)], dry_run: false }),
  ])
  write(7)
  const PORT = `${await findFreePort()}`
  const program = worker({ PORT, ISSUER: `http://localhost:${PORT}`, BLUEPRINT: file })
  try {
    await program.printed(/listens on/)
    expect(program.output()).toContain(`"warning":"${words}`)
  } finally {
    program.process.kill('SIGTERM')
    await program.exit
  }
})

test('text that is neither JSON nor YAML is refused with its place', async () => {
  writeFileSync(join(folder.path, 'x.yaml'), 'clients: [\n  {a: b')
  const { code, output } = await runCli(['apply', 'x.yaml'], folder.path)
  expect(code).toBe(2)
  expect(output).toMatch(/x\.yaml: .*line \d+/)
  const missing = await runCli(['apply', 'nowhere.yaml'], folder.path)
  expect(missing.code).toBe(2)
  expect(missing.output).toMatch(/nowhere\.yaml: cannot be read/)
})

test('a device id that could not be one is refused before a key is written', async () => {
  for (const id of ['a/b+#', 'kitchen lamp', 'a:b', 'ü', '../../evil']) {
    const args = ['device', 'create', id, '--type', 'lamp']
    const { code, output } = await runCli(args, folder.path)
    expect(code, output).toBe(2)
    expect(output).toMatch(/^id: must be/)
    expect(readdirSync(folder.path)).toEqual([])
  }
  const nowhere = [
    'device',
    'create',
    'lamp-1',
    '--type',
    'lamp',
    '--key-file',
    'no/such/folder.key',
  ]
  const { code, output } = await runCli(nowhere, folder.path)
  expect(code, output).toBe(2)
  expect(output).toMatch(/cannot be written to no\/such\/folder\.key/)
})

test('a command that is not there, or lacks a word, says how it is used', async () => {
  for (const args of [
    ['fly'],
    ['device', 'create'],
    ['device', 'create', 'x'],
    ['apply'],
    ['--nope'],
  ]) {
    const { code, output } = await runCli(args, folder.path)
    expect(code, output).toBe(2)
    expect(output.length).toBeGreaterThan(20)
    expect(output).not.toContain('    at ')
  }
})

test('a restart keeps keys, and does not undo a changed operator password', async () => {
  const port = String(await findFreePort())
  const env = {
    PORT: port,
    ADMIN_EMAIL: 'operator@example.com',
    ADMIN_PASSWORD: 'correct horse battery staple',
  }
  const digest = async () => {
    const program = worker(env)
    await program.printed(/listens on/)
    const answer = await fetch(`http://localhost:${port}/.well-known/jwks.json`)
    const text = await answer.text()
    expect(program.output()).not.toContain('setup?token')
    expect(await program.stop()).toBe(0)
    return createHash('sha256').update(text).digest('hex')
  }
  expect(await digest()).toBe(await digest())
})
