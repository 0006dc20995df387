// Keys, status lists and policies over a restart while the issuer is away: what is on disk, when it
// counts, and what becomes of files and disks that are no good.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openJwks } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies } from '../../../proxy-node/tokens/policies.ts'
import { openStateFolder, type PassedOver } from '../../../proxy-node/tokens/state_folder.ts'
import { openStatusLists } from '../../../proxy-node/tokens/status_lists.ts'
import { createVerifier } from '../../../proxy-node/tokens/verifier.ts'
import {
  audience,
  makeKey,
  startIssuer,
  type TestIssuer,
} from '../../host/mproxy_fixtures/issuer.ts'
import { publishList } from '../../host/mproxy_fixtures/status_list.ts'
import { temporaryFolder } from '../../support/folder.ts'

const open: { close: () => unknown }[] = []
let issuer: TestIssuer
let place: ReturnType<typeof temporaryFolder>
let folder: string
beforeEach(async () => {
  issuer = await startIssuer()
  place = temporaryFolder()
  folder = join(place.path, 'state')
})
afterEach(async () => {
  for (const { close } of open.splice(0)) await close()
  await issuer.stop()
  place.remove()
})

const DAY = 86_400
const later = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

type Options = { ahead?: number; folder?: string; age_max_ms?: number; isFailOpen?: boolean }

/** mProxy's memory of an issuer, `ahead` seconds from now, as it is after a start. */
async function start({ ahead = 0, folder: of = folder, ...more }: Options = {}) {
  let seconds = ahead
  let timers: { at: number; run: () => void }[] = []
  const now = () => Date.now() + seconds * 1000
  const clock = {
    now,
    schedule(ms: number, run: () => void) {
      const timer = { at: now() + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
  }
  const passed: PassedOver[] = []
  const writes: (string | undefined)[] = []
  const state = await openStateFolder({
    folder: of,
    issuers: [issuer.url],
    now,
    onPassedOver: (one) => passed.push(one),
    onWrite: (fault) => writes.push(fault),
  })
  const shared = { issuer: issuer.url, keeper: state.of(issuer.url), clock }
  const jwks = openJwks(shared)
  const statusLists = openStatusLists({ ...shared, jwks, ...more })
  const policies = openPolicies({ ...shared, jwks })
  open.push(jwks, statusLists, policies, { close: state.written })
  const verifier = createVerifier({
    issuer: issuer.url,
    audience,
    jwks,
    statusLists,
    policies,
    now,
  })
  return {
    jwks,
    policies,
    passed,
    writes,
    written: state.written,
    advance(more: number) {
      seconds += more
      const due = timers.filter(({ at }) => at <= now())
      timers = timers.filter(({ at }) => at > now())
      for (const { run } of due) run()
    },
    /** `ok`, or the reason of the refusal. */
    async verify(token: string) {
      const verification = await verifier.verify(token)
      return verification.ok ? 'ok' : verification.reason
    },
  }
}

const filesOf = (kind: string) => readdirSync(folder).filter((name) => name.startsWith(kind))
const longLived = (claims: Record<string, unknown> = {}) =>
  issuer.mint({ claims: { exp: later(3 * DAY), ...claims } })

describe('after a restart without the issuer', () => {
  test('its keys count for what is left of 24 hours', async () => {
    const token = await longLived()
    const before = await start()
    await before.jwks.start()
    await before.written()
    await issuer.stop()

    const after = await start({ ahead: 3600 })
    await after.jwks.start()
    expect(await after.verify(token)).toBe('ok')
    expect(after.jwks.age()).toBeGreaterThan(3590)
    after.advance(23.5 * 3600)
    expect(await after.verify(token)).toBe('keys_unavailable')

    const late = await start({ ahead: DAY + 10 })
    await late.jwks.start()
    expect(await late.verify(token)).toBe('keys_unavailable')
    expect(late.passed).toMatchObject([{ fault: 'outdated' }])
    expect(readdirSync(folder)).toEqual([])
    await issuer.resume()
  })

  test('a key that was revoked before does not come back', async () => {
    const [leaked] = issuer.keys
    const token = await longLived()
    const before = await start()
    await before.jwks.start()
    issuer.keys = [await makeKey('ES256', 'second')]
    await before.jwks.refreshForUnknownKey()
    await before.written()
    await issuer.stop()

    const after = await start()
    await after.jwks.start()
    expect(await after.verify(await longLived())).toBe('ok')
    expect(await after.verify(token)).toBe('keys_unavailable')
    // Nor when the issuer is back behind a cache that still gives it out.
    await issuer.resume()
    issuer.keys = [leaked!]
    await after.jwks.start()
    expect(await after.verify(token)).toBe('keys_unavailable')
  })

  test('a failed refresh, and one without keys, leave what is on disk', async () => {
    const token = await longLived()
    const before = await start()
    await before.jwks.start()
    issuer.answers.set('/keys', (_, response) => response.end('{"keys":[]}'))
    await before.jwks.refreshForUnknownKey()
    await before.written()
    const after = await start()
    await after.jwks.start()
    expect(await after.verify(token)).toBe('ok')
  })

  test('a list says who ended, and is judged by the kept keys', async () => {
    const list = await publishList(issuer, '/status-lists/1', { values: { 4: 1, 5: 2 } })
    const tokens = await Promise.all([3, 4, 5].map((idx) => longLived(list.at(idx))))
    const before = await start()
    await before.jwks.start()
    await before.verify(tokens[0]!)
    await list.asked()
    await expect.poll(() => before.verify(tokens[1]!)).toBe('revoked')
    await before.written()
    await issuer.stop()

    const all = async (rig: Awaited<ReturnType<typeof start>>) => {
      const reasons: string[] = []
      for (const token of tokens) reasons.push(await rig.verify(token))
      return reasons
    }
    const after = await start({ ahead: 600 })
    expect(await all(after)).toEqual(['ok', 'revoked', 'superseded'])
    const strict = await start({ ahead: 600, age_max_ms: 300_000 })
    expect(await all(strict)).toEqual(['status_unavailable', 'revoked', 'superseded'])
    const open = await start({ ahead: 600, age_max_ms: 300_000, isFailOpen: true })
    expect(await all(open)).toEqual(['ok', 'revoked', 'superseded'])
    await issuer.resume()
  })

  test('a list that ran out lets nobody in, and still says who ended', async () => {
    const at = later(0)
    const list = await publishList(issuer, '/status-lists/1', {
      values: { 4: 1 },
      claims: { iat: at, exp: at + 100 },
    })
    const before = await start()
    await before.jwks.start()
    await before.verify(await longLived(list.at(3)))
    await list.asked()
    await expect.poll(() => filesOf('list').length).toBe(1)
    await before.written()
    await issuer.stop()
    const after = await start({ ahead: 200 })
    expect(await after.verify(await longLived(list.at(3)))).toBe('status_unavailable')
    expect(await after.verify(await longLived(list.at(4)))).toBe('revoked')
    await issuer.resume()
  })

  test('a list of a key that the issuer took away since is passed over', async () => {
    const list = await publishList(issuer, '/status-lists/1', {})
    const before = await start()
    await before.jwks.start()
    await before.verify(await longLived(list.at(3)))
    await list.asked()
    await expect.poll(() => filesOf('list').length).toBe(1)
    issuer.keys = [await makeKey('ES256', 'second')]
    await before.jwks.refreshForUnknownKey()
    await before.written()
    const after = await start()
    expect(after.passed).toMatchObject([{ file: filesOf('list')[0], fault: 'keys_unavailable' }])
  })

  test('a list that the issuer only confirms gets older on disk by ten minutes at most', async () => {
    const list = await publishList(issuer, '/status-lists/1', {})
    const token = await longLived(list.at(3))
    const before = await start()
    await before.jwks.start()
    await before.verify(token)
    await list.asked()
    await expect.poll(() => filesOf('list').length).toBe(1)
    await before.written()
    before.advance(601)
    await before.verify(token)
    await expect.poll(() => list.requests.unchanged).toBe(1)
    await expect.poll(() => before.writes.length).toBeGreaterThan(2)
    await before.written()
    const after = await start({ ahead: 700, age_max_ms: 300_000 })
    expect(await after.verify(token)).toBe('ok')
  })

  test('policies are there, and those of an issuer that answers stay there', async () => {
    const hash = await keepPolicy()
    await issuer.stop()
    const after = await start({ ahead: 3600 })
    expect([after.policies.count(), after.passed]).toEqual([1, []])
    await issuer.resume()
    issuer.answers.set('/policies', (_, response) => response.end('{"policies":[]}'))
    after.advance(3601)
    await after.policies.start()
    await after.written()
    const late = await start({ ahead: DAY + 3600 })
    expect(late.policies.find(hash)).toHaveLength(1)
  })
})

/** Lets a first mProxy fetch a document and keep it; answers its hash. */
async function keepPolicy(): Promise<string> {
  const text = JSON.stringify([{ permission: 'allow', action: 'publish', topic: '${device.id}' }])
  const hash = createHash('sha256').update(text).digest('base64url')
  const jwt = await issuer.mint({
    claims: { sub: `${issuer.url}/policies/${hash}`, policy: text },
    header: { typ: 'policy+jwt' },
  })
  issuer.answers.set(`/policies/${hash}`, (_, response) => response.end(jwt))
  const before = await start()
  await before.jwks.start()
  expect(await before.policies.fetch(hash)).toBe(true)
  await before.written()
  return hash
}

describe('on disk', () => {
  async function keepKeys(): Promise<string> {
    const before = await start()
    await before.jwks.start()
    await before.written()
    const [name = ''] = filesOf('keys')
    return join(folder, name)
  }

  test('a file is whole, and of its owner alone', async () => {
    const file = await keepKeys()
    expect(readdirSync(folder)).toHaveLength(1)
    expect([statSync(file).mode & 0o777, statSync(folder).mode & 0o777]).toEqual([0o600, 0o700])
    expect(JSON.parse(readFileSync(file, 'utf8').split('\n')[0]!)).toMatchObject({
      issuer: issuer.url,
      kind: 'keys',
      fetched_at: expect.any(Number),
    })
  })

  const rewrite = (file: string, change: (head: Record<string, unknown>) => unknown) => {
    const [head = '', ...rest] = readFileSync(file, 'utf8').split('\n')
    const changed = { ...JSON.parse(head), ...(change(JSON.parse(head)) as object) }
    writeFileSync(file, [JSON.stringify(changed), ...rest].join('\n'))
  }
  test.each<[string, string, (file: string) => unknown]>([
    ['cut', 'malformed', (file) => truncateSync(file, statSync(file).size - 5)],
    ['cut in its head', 'malformed', (file) => truncateSync(file, 20)],
    ['empty', 'malformed', (file) => truncateSync(file)],
    ['garbage', 'malformed', (file) => writeFileSync(file, Buffer.alloc(4096, 0xfe))],
    [
      'changed',
      'malformed',
      (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('"ES256"', '"ES384"')),
    ],
    ['one of another name', 'malformed', (file) => renameSync(file, file.replace(/.{4}$/, '0000'))],
    [
      'of another issuer',
      'wrong_issuer',
      (file) => {
        rewrite(file, () => ({ issuer: 'https://other.example', name: 'https://other.example' }))
        const hash = createHash('sha256').update('https://other.example\nhttps://other.example')
        renameSync(file, join(folder, `keys-${hash.digest('hex')}`))
      },
    ],
    [
      'from the future',
      'from_the_future',
      (file) => rewrite(file, () => ({ fetched_at: Date.now() + 3600_000 })),
    ],
    ['one that others may write', 'writable_by_others', (file) => chmodSync(file, 0o622)],
    [
      'larger than any document',
      'too_large',
      (file) => writeFileSync(file, Buffer.alloc(5 * 1024 * 1024)),
    ],
    [
      'a pipe that nobody writes to',
      'unreadable',
      (file) => {
        rmSync(file)
        execFileSync('mkfifo', [file])
      },
    ],
    [
      'a folder',
      'unreadable',
      (file) => {
        rmSync(file)
        mkdirSync(file)
      },
    ],
  ])('a file that is %s is passed over: %s', async (_, fault, damage) => {
    const file = await keepKeys()
    const token = await longLived()
    damage(file)
    const after = await start()
    expect(after.passed).toMatchObject([{ fault }])
    expect(after.jwks.isUsable()).toBe(false)
    // It does not come in the way of the next good one.
    await after.jwks.start()
    expect(await after.verify(token)).toBe('ok')
  })

  test('the rest of a write that was cut short goes after a while', async () => {
    await keepKeys()
    const rest = join(folder, '.keys-0.1-1.new')
    writeFileSync(rest, 'x')
    await start()
    expect(readdirSync(folder)).toContain('.keys-0.1-1.new')
    utimesSync(rest, later(-3600), later(-3600))
    await start()
    expect(readdirSync(folder)).toEqual(filesOf('keys'))
  })

  test('a disk that cannot be written to costs no session, and comes back by itself', async () => {
    writeFileSync(folder, 'a file where the folder should be')
    const rig = await start()
    await rig.jwks.start()
    await rig.written()
    expect(await rig.verify(await longLived())).toBe('ok')
    expect([rig.passed.length, rig.writes]).toEqual([1, ['EEXIST']])
    rmSync(folder)
    await rig.jwks.refreshForUnknownKey()
    await rig.written()
    expect(rig.writes).toEqual(['EEXIST', undefined])
    expect(filesOf('keys')).toHaveLength(1)
  })

  test('without a folder nothing is kept and nothing is said', async () => {
    const state = await openStateFolder({ folder: undefined, issuers: [issuer.url] })
    const keeper = state.of(issuer.url)
    keeper.keep('keys', { name: 'x', text: 'y', fetched_at: 1 })
    await state.written()
    expect(keeper.take('keys')).toEqual([])
  })
})
