// Copies of the embedded file, through the real programs: made while others write at full speed, and
// restored elsewhere.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import type * as oauth from 'oauth4webapi'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import {
  codeFlow,
  deviceToken,
  discover,
  makeBlueprint,
  operatorToken,
  refresh,
} from './black_box.ts'
import { type Program, type RunningWorker, run, runCli, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let as: oauth.AuthorizationServer
let deviceKey: CryptoKey
let elsewhere: ReturnType<typeof temporaryFolder>
let restored: Program | null

beforeEach(async () => {
  const { blueprint, ...keys } = await makeBlueprint()
  deviceKey = keys.deviceKey
  worker = await startWorkerOn('node', blueprint)
  as = await discover(worker.issuer)
  elsewhere = temporaryFolder()
  restored = null
})
afterEach(async () => {
  await restored?.stop()
  await worker.stop()
  elsewhere.remove()
})

const keyFile = (folder: string) => join(folder, '.allauth/secret_key')

/** Restores into the other folder, with the SECRET_KEY of the first. */
async function restoreElsewhere(copy: string, ...options: string[]) {
  const SECRET_KEY = readFileSync(keyFile(worker.folder), 'utf8')
  return runCli(['restore', copy, ...options], elsewhere.path, { SECRET_KEY })
}

/** Starts a worker of the same issuer on the restored database; the first one has to be stopped. */
async function startRestored() {
  const SECRET_KEY = readFileSync(keyFile(worker.folder), 'utf8')
  const port = new URL(worker.issuer).port
  await worker.process.kill('SIGTERM')
  await worker.exit
  restored = run(process.execPath, [join(ROOT, 'worker/entry/node.ts')], {
    cwd: elsewhere.path,
    env: { PORT: port, ISSUER: worker.issuer, SECRET_KEY },
  })
  await restored.printed(/listens on/)
}

const groups = (token: string) => ({
  create: (id: string) =>
    fetch(`${worker.issuer}/v1/groups`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id, kind: 'room', name: `Room ${id}`, parent_id: 'site-12' }),
    }),
  has: async (id: string) =>
    (
      await fetch(`${worker.issuer}/v1/groups/${id}`, {
        headers: { authorization: `Bearer ${token}` },
      })
    ).status === 200,
})

test('a copy that is made while others write has every write that was acknowledged before', async () => {
  const { access_token: operator } = await operatorToken(as)
  const { tokens } = await codeFlow(as, 'openid offline_access')
  const device = await deviceToken(as, 'dim-0042', deviceKey)
  const acknowledged: string[] = []
  let isOver = false
  const write = async (writer: number) => {
    for (let n = 0; !isOver; n++) {
      const id = `room-${writer}-${n}`
      const { status } = await groups(operator).create(id)
      if (status === 201) acknowledged.push(id)
    }
  }
  const writers = Array.from({ length: 8 }, (_, writer) => write(writer))
  const until = async (count: number) => {
    while (acknowledged.length < count) await new Promise((done) => setTimeout(done, 20))
  }
  await until(100)
  const before = [...acknowledged]
  const copies = ['one.db', 'two.db'].map((name) => join(elsewhere.path, name))
  const made = await runCli(['backup', copies[0] ?? ''], worker.folder)
  expect(made.code, made.output).toBe(0)
  const between = [...acknowledged]
  const second = await runCli(['backup', copies[1] ?? '', '--json'], worker.folder)
  expect(JSON.parse(second.output)).toMatchObject({ file: copies[1] })
  isOver = true
  await Promise.all(writers)
  console.log(
    `backup: ${before.length} acknowledged before, ${between.length - before.length} meanwhile`,
  )
  expect(between.length).toBeGreaterThan(before.length)
  for (const copy of copies) expect(statSync(copy).mode & 0o777).toBe(0o600)

  chmodSync(copies[0] ?? '', 0o644)
  const { code, output } = await restoreElsewhere(copies[0] ?? '')
  expect(code, output).toBe(0)
  expect(statSync(join(elsewhere.path, '.allauth/allauth.db')).mode & 0o777).toBe(0o600)
  await startRestored()
  const { access_token: again } = await operatorToken(as)
  const missing = await Promise.all(before.map(async (id) => !(await groups(again).has(id))))
  expect(missing.filter(Boolean)).toHaveLength(0)
  expect((await groups(again).create('after')).status).toBe(201)

  // Whatever was given out before is dead.
  const userinfo = (token: string) =>
    fetch(as.userinfo_endpoint ?? '', { headers: { authorization: `Bearer ${token}` } })
  expect((await userinfo(tokens.access_token)).status).toBe(401)
  await expect(refresh(as, tokens.refresh_token ?? '')).rejects.toThrow()
  expect((await groups(operator).create('by-an-old-token')).status).toBe(401)
  expect(device.access_token).not.toBe('')

  const database = new Database(copies[1] ?? '', {})
  const ids = new Set(
    (database.prepare('select id from "group"').all() as { id: string }[]).map(({ id }) => id),
  )
  expect(between.filter((id) => !ids.has(id))).toEqual([])
  // Consistent: nothing of a batch is there without the rest of it.
  expect(
    database
      .prepare(
        `select id from principal where kind = 'group' and id not in (select id from "group")
          union all select subject_id from event where type = 'group.created'
            and subject_id not in (select id from "group")`,
      )
      .all(),
  ).toEqual([])
  database.close()
})

test('with --keep sessions and tokens of that moment live on', async () => {
  const { tokens } = await codeFlow(as, 'openid offline_access')
  const copy = join(elsewhere.path, 'copy.db')
  await runCli(['backup', copy], worker.folder)
  const { code, output } = await restoreElsewhere(copy, '--keep')
  expect(code, output).toBe(0)
  await startRestored()
  expect((await refresh(as, tokens.refresh_token ?? '')).access_token).toBeTruthy()
})

test('a backup replaces no file; a restore takes no place that is taken, and no copy that is unfit', async () => {
  const copy = join(elsewhere.path, 'copy.db')
  const made = await runCli(['backup', copy], worker.folder)
  expect(made.code, made.output).toBe(0)
  expect(made.output).toContain('SECRET_KEY is not in it')
  const refused = async (what: Promise<{ code: number | null; output: string }>, why: RegExp) => {
    const { code, output } = await what
    expect(code, output).toBe(2)
    expect(output).toMatch(why)
  }
  const bytes = readFileSync(copy)
  await refused(runCli(['backup', copy], worker.folder), /is there already/)
  expect(readFileSync(copy)).toEqual(bytes)
  await refused(runCli(['backup', join(elsewhere.path, 'x.db')], elsewhere.path), /no database at/)
  const far = { DATABASE_URL: 'libsql://db.example.com' }
  await refused(runCli(['backup', 'x.db'], worker.folder, far), /turso db create/)
  await refused(runCli(['restore', copy], elsewhere.path, far), /new-epoch/)

  // A program runs on the target; then it is stopped, and its data is there.
  await refused(runCli(['restore', copy], worker.folder), /in use by a running program/)
  await worker.process.kill('SIGTERM')
  await worker.exit
  await refused(runCli(['restore', copy], worker.folder), /there is a database at/)

  await refused(runCli(['restore', copy], elsewhere.path), /SECRET_KEY is missing/)
  expect(existsSync(keyFile(elsewhere.path))).toBe(false)
  const SECRET_KEY = 'A'.repeat(43)
  await refused(runCli(['restore', copy], elsewhere.path, { SECRET_KEY }), /does not open/)
  const place = join(elsewhere.path, '.allauth')
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'allauth.db-wal'), '')
  await refused(restoreElsewhere(copy), /-wal is there without its database/)
  expect(existsSync(join(place, 'allauth.db'))).toBe(false)
})

test('a copy that is damaged, half, or of a newer program is refused, and nothing is left of it', async () => {
  const copy = join(elsewhere.path, 'copy.db')
  await runCli(['backup', copy], worker.folder)
  const bytes = readFileSync(copy)
  const variant = (name: string, content: Uint8Array) => {
    const file = join(elsewhere.path, name)
    writeFileSync(file, content)
    return file
  }
  const damaged = Buffer.from(bytes)
  damaged.fill(0x5a, 8192, 8192 + 4096)
  const newer = join(elsewhere.path, 'newer.db')
  copyFileSync(copy, newer)
  const database = new Database(newer, {})
  database.exec(`insert into migration values ('9999_later', 1, 'x')`)
  database.close()
  for (const [file, why] of [
    [variant('half.db', bytes.subarray(0, bytes.length / 2)), /damaged|malformed/],
    [variant('damaged.db', damaged), /damaged|malformed|not a database/],
    [variant('text.db', Buffer.from('no database at all, but a text of some length')), /database/],
    [newer, /newer than this program/],
    [join(elsewhere.path, 'nowhere.db'), /is not there/],
  ] as const) {
    const { code, output } = await restoreElsewhere(file)
    expect(code, output).toBe(2)
    expect(output).toMatch(why)
    for (const end of ['', '-wal', '.restoring', '.restoring-wal']) {
      expect(existsSync(join(elsewhere.path, `.allauth/allauth.db${end}`)), file + end).toBe(false)
    }
  }
  // A file that was copied by hand has a log beside it, with writes that the copy lacks.
  const byHand = variant('by-hand.db', bytes)
  writeFileSync(`${byHand}-wal`, 'x'.repeat(64))
  expect((await restoreElsewhere(byHand)).output).toMatch(/is a database that is or was in use/)
  expect((await restoreElsewhere(copy)).code).toBe(0)
})
