// A new SECRET_KEY takes over: programs that have it and programs that were not restarted yet work
// on one database, all that is kept is sealed anew, and the old key can then be dropped.
import { Hono } from 'hono'
import { beforeEach, describe, expect, test } from 'vitest'
import { idempotency } from '../../worker/api/idempotency.ts'
import { decodeCursor, encodeCursor } from '../../worker/api.ts'
import { createApp } from '../../worker/app.ts'
import { type Actor, ANONYMOUS, type Context, type Memory } from '../../worker/context.ts'
import { sealerOf, secretKeyIds, UnsealError } from '../../worker/crypto.ts'
import { sql } from '../../worker/db/sql.ts'
import type { Env } from '../../worker/http.ts'
import { JOBS, runJobs } from '../../worker/jobs.ts'
import { signJwt, verifyJwt } from '../../worker/keys/jwt.ts'
import { deleteUnopenedKey, revokeKey } from '../../worker/keys/key_revocation.ts'
import { signPaseto, verifyPaseto } from '../../worker/keys/paseto.ts'
import { keyStatus, reseal } from '../../worker/keys/resealing.ts'
import { currentKey, rotateKey, signingKeys } from '../../worker/keys/signing_keys.ts'
import { userCodeMac, userCodeMacs } from '../../worker/oauth/device_flow/device_authorization.ts'
import { issueToken, readToken } from '../../worker/oauth/tokens/formats.ts'
import { leaveSecretKeysUnnoted, storedSecret } from '../../worker/stored_secrets.ts'
import { ISSUER, SYSTEM, startWorker, type TestWorker } from '../context.ts'

type SecretKey = Uint8Array<ArrayBuffer>
const OLD: SecretKey = Uint8Array.from({ length: 32 }, (_, i) => i) // that of ENVIRONMENT
const NEW: SecretKey = new Uint8Array(32).fill(7)
const WRONG: SecretKey = new Uint8Array(32).fill(9)

const HOUR = 3600
const DAY = 86_400

let worker: TestWorker
beforeEach(async () => {
  worker = await startWorker()
})

/** A program that was started with these keys, with a memory of its own. */
function start(...secret_keys: SecretKey[]) {
  const memory: Memory = new Map()
  const context = (actor: Actor = SYSTEM): Context => ({
    ...worker.context(actor),
    config: { ...worker.config, secret_keys },
    memory,
  })
  const app = createApp(() => context(ANONYMOUS))
  return {
    context,
    request: async (path: string) => app.request(new URL(path, ISSUER).href),
    /** What a new start changes: nothing is remembered. */
    forget: () => memory.clear(),
  }
}

const [idOfOld = '', idOfNew = ''] = [OLD, NEW].map(
  (key) =>
    secretKeyIds({ config: { secret_keys: [key] }, memory: new Map(), now: () => 0 } as never)[0],
)

const claims = () => ({ sub: 'x', aud: 'y', iat: worker.clock.now, exp: worker.clock.now + 600 })
const opaqueClaims = () => ({ ...claims(), client_id: 'c', jti: 'j', scope: 's' })

/** The ids of the secret keys that sealed what is kept. */
async function sealers(): Promise<string[]> {
  const { keys, secrets } = await worker.context().db.read({
    keys: sql<{ value: string }>`select private_jwk as value from signing_key`,
    secrets: sql<{ value: string }>`select value from stored_secret`,
  })
  return [...new Set([...keys, ...secrets].map(({ value }) => sealerOf(value)))].sort()
}

/** Runs every job that is due, in a program. */
async function runTimer(cx: Context) {
  worker.clock.now += Math.max(...JOBS.map(({ every }) => every))
  await runJobs(cx)
}

describe('while some programs have the old SECRET_KEY alone', () => {
  test('they sign with the keys, open the secrets and read the tokens that a restarted one makes', async () => {
    const lagging = start(OLD)
    await signingKeys(lagging.context())
    const restarted = start(NEW, OLD)
    await signingKeys(restarted.context())
    worker.clock.now += 1800
    const next = await rotateKey(restarted.context(), 'ES256')
    const salt = await storedSecret(restarted.context(), 'pairwise subjects')
    const { paseto } = await signPaseto(restarted.context(), 'at+paseto', claims())
    const { access_token } = await issueToken(restarted.context(), 'opaque', opaqueClaims())
    const cursor = encodeCursor(restarted.context(), 'things', 'thing-1')
    for (const other of [lagging, start(OLD)]) {
      expect(String(await storedSecret(other.context(), 'pairwise subjects'))).toBe(String(salt))
      expect(await readToken(other.context(), access_token)).toMatchObject({ sub: 'x' })
      expect(await readToken(other.context(), paseto)).toMatchObject({ sub: 'x' })
      expect(decodeCursor(other.context(), 'things', cursor)).toBe('thing-1')
      await signPaseto(other.context(), 'at+paseto', claims())
    }
    worker.clock.now += 400
    const { kid } = await signJwt(start(OLD).context(), 'ES256', 'at+jwt', claims())
    expect(kid).toBe(next.kid)
    expect(await sealers()).toEqual([idOfOld])
  })

  test('a successor of a revoked key is one that they can sign with', async () => {
    const cx = start(NEW, OLD).context()
    const [key] = await signingKeys(cx)
    const { successor } = await revokeKey(cx, key!.kid)
    const { kid } = await signJwt(start(OLD).context(), key!.alg, 'at+jwt', claims())
    expect(kid).toBe(successor?.kid)
  })

  test('the timer seals nothing anew in the first hour, and all after it', async () => {
    await storedSecret(start(OLD).context(), 'pairwise subjects')
    const restarted = start(NEW, OLD)
    await signingKeys(restarted.context())
    await runTimer(restarted.context())
    worker.clock.now += HOUR - 2 * 300 - 1
    await runTimer(restarted.context())
    expect(await sealers()).toEqual([idOfOld])
    await runTimer(restarted.context())
    expect(await sealers()).toEqual([idOfNew])
    const events = await worker
      .context()
      .db.read(sql<{ data: string }>`select data from event where type = 'secrets.resealed'`)
    expect(events.map(({ data }) => JSON.parse(data))).toEqual([
      { signing_keys: 2, stored_secrets: 1, mails: 0 },
    ])
  })

  test('a program that lags behind for longer does not undo it', async () => {
    const restarted = start(NEW, OLD)
    await signingKeys(restarted.context())
    worker.clock.now += HOUR
    await runTimer(restarted.context())
    await runTimer(start(OLD).context())
    expect(await sealers()).toEqual([idOfNew])
    await expect(rotateKey(start(OLD).context(), 'ES256')).rejects.toThrow(UnsealError)
  })

  test('the command line does not begin the hour: servers may be restarted much later', async () => {
    const cx = start(NEW, OLD).context()
    leaveSecretKeysUnnoted(cx)
    await rotateKey(cx, 'RS256')
    worker.clock.now += 2 * HOUR
    await rotateKey(start(NEW, OLD).context(), 'ES256')
    expect(await sealers()).toEqual([idOfOld])
  })

  test('reseal does not wait, for who knows that all were restarted', async () => {
    const restarted = start(NEW, OLD)
    expect(await reseal(restarted.context())).toEqual({
      signing_keys: 2,
      stored_secrets: 0,
      mails: 0,
      unopened: [],
    })
    expect(await sealers()).toEqual([idOfNew])
    const other = start(NEW, OLD)
    await rotateKey(other.context(), 'ES256')
    expect(await sealers()).toEqual([idOfNew])
  })
})

describe('once the new SECRET_KEY seals', () => {
  test('a POST that comes again with its Idempotency-Key still gets the first answer', async () => {
    const both = start(NEW, OLD)
    await signingKeys(both.context())
    worker.clock.now += HOUR - 10
    const app = new Hono<Env>()
    app.use(async (c, next) => {
      c.set('cx', both.context())
      await signingKeys(c.var.cx)
      await next()
    })
    let made = 0
    app.post('/v1/things', idempotency, (c) => c.json({ made: ++made }, 201))
    const post = () =>
      app.request(`${ISSUER}/v1/things`, { method: 'POST', headers: { 'idempotency-key': 'k' } })
    expect(await (await post()).json()).toEqual({ made: 1 })
    worker.clock.now += 100
    expect(await (await post()).json()).toEqual({ made: 1 })
  })

  test('a user code that a device got before is still found', async () => {
    const both = start(NEW, OLD)
    await signingKeys(both.context())
    const stored = userCodeMac(both.context(), 'BCDF-GHJK')
    worker.clock.now += HOUR
    await signingKeys(both.context())
    expect(userCodeMac(both.context(), 'BCDF-GHJK')).not.toBe(stored)
    expect(userCodeMacs(both.context(), 'BCDF-GHJK')).toContain(stored)
  })
})

describe('the old SECRET_KEY', () => {
  test('may go a day after the new one began to seal; then all goes on without it', async () => {
    const before = start(OLD)
    const salt = String(await storedSecret(before.context(), 'pairwise subjects'))
    const { paseto } = await signPaseto(before.context(), 'at+paseto', {
      ...claims(),
      exp: worker.clock.now + 3 * DAY,
    })
    const started_at = worker.clock.now
    const both = start(NEW, OLD)
    await signingKeys(both.context())
    const statusOf = async (id: string) =>
      (await keyStatus(both.context())).secret_keys.find((one) => one.id === id)
    expect(await statusOf(idOfOld)).toEqual({
      id: idOfOld,
      is_newest: false,
      signing_keys: 3,
      stored_secrets: 1,
      mails: 0,
      other: 0,
      seals_from: started_at,
      may_go: false,
      may_go_at: started_at + HOUR + DAY + 60,
    })
    worker.clock.now += HOUR
    await runTimer(both.context())
    expect(await statusOf(idOfOld)).toMatchObject({ signing_keys: 0, may_go: false })
    worker.clock.now = started_at + HOUR + DAY + 60
    expect(await statusOf(idOfOld)).toMatchObject({ stored_secrets: 0, may_go: true })
    expect(await statusOf(idOfNew)).toMatchObject({ is_newest: true, signing_keys: 3 })
    const after = start(NEW)
    expect((await after.request('/readyz')).status).toBe(200)
    expect(String(await storedSecret(after.context(), 'pairwise subjects'))).toBe(salt)
    expect(await verifyPaseto(after.context(), paseto, { typ: 'at+paseto' })).not.toBeNull()
    await signPaseto(after.context(), 'at+paseto', claims())
    for (const alg of ['ES256', 'RS256'] as const) {
      const { jwt } = await signJwt(after.context(), alg, 'at+jwt', claims())
      expect(await verifyJwt(after.context(), jwt, { typ: 'at+jwt' })).not.toBeNull()
    }
  })

  test('must stay as long as it sealed something, however long ago the new one came', async () => {
    const both = start(NEW, OLD)
    await signingKeys(both.context())
    worker.clock.now += 30 * DAY
    const [, old] = (await keyStatus(both.context())).secret_keys
    expect(old).toMatchObject({ signing_keys: 2, may_go: false })
  })

  test('must stay as long as no program had the new one first', async () => {
    worker.clock.now += 30 * DAY
    const [, old] = (await keyStatus(start(NEW, OLD).context())).secret_keys
    expect(old).toMatchObject({ may_go: false, may_go_at: null })
  })
})

describe('a SECRET_KEY that opens nothing of what is there', () => {
  test('seals nothing: no signing key, no secret, no token, no cursor', async () => {
    const stranger = start(WRONG)
    const cx = stranger.context()
    await expect(rotateKey(cx, 'ES256')).rejects.toThrow(UnsealError)
    await expect(rotateKey(cx, 'EdDSA')).rejects.toThrow(UnsealError)
    await expect(storedSecret(cx, 'pairwise subjects')).rejects.toThrow(UnsealError)
    await expect(storedSecret(start(WRONG).context(), 'other')).rejects.toThrow(UnsealError)
    await expect(issueToken(cx, 'opaque', opaqueClaims())).rejects.toThrow(UnsealError)
    expect(() => encodeCursor(cx, 'things', 'thing-1')).toThrow(UnsealError)
    await expect(reseal(cx)).rejects.toThrow('opens nothing')
    expect(await sealers()).toEqual([idOfOld])
    const noted = await worker.context().db.read(sql<{ id: string }>`select id from secret_key`)
    expect(noted).toEqual([{ id: idOfOld }])
  })

  test('makes /readyz fail', async () => {
    const answer = await start(WRONG).request('/readyz')
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '60'])
    expect(await answer.json()).toMatchObject({
      status: 'unavailable',
      reason: 'sealed_with_another_key',
    })
    expect((await start(OLD).request('/readyz')).status).toBe(200)
  })
})

describe('one signing key that SECRET_KEY does not open', () => {
  /** A key that another program made with another SECRET_KEY, as this one no longer permits. */
  async function plant(alg: 'ES256' | 'RS256' = 'ES256') {
    const cx = worker.context()
    const stranger = await startWorker({
      SECRET_KEY: 'CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk',
    })
    const { kid } = await rotateKey(stranger.context(), alg)
    const [row] = await stranger.context().db.read(sql<{ public_jwk: string; private_jwk: string }>`
        select public_jwk, private_jwk from signing_key where kid = ${kid}`)
    const now = worker.clock.now
    await cx.db.write(sql`insert into signing_key
        (kid, alg, public_jwk, private_jwk, created_at, signs_at, needed_until)
      values (${kid}, ${alg}, ${row!.public_jwk}, ${row!.private_jwk}, ${now}, ${now + 360}, 0)`)
    worker.memory.clear()
    return kid
  }

  test('shows in /readyz before its time, and fails it when it should sign', async () => {
    const kid = await plant()
    const early = await worker.request('/readyz')
    expect([early.status, await early.json()]).toEqual([
      200,
      { status: 'ok', reason: 'sealed_with_another_key', keys: [kid] },
    ])
    worker.clock.now += 360
    const late = await worker.request('/readyz')
    expect([late.status, await late.json()]).toEqual([
      503,
      { status: 'unavailable', reason: 'sealed_with_another_key', keys: [kid] },
    ])
    await expect(signJwt(worker.context(), 'ES256', 'at+jwt', claims())).rejects.toThrow(
      UnsealError,
    )
  })

  test('keeps others from being made; deleted, the one before it signs again', async () => {
    const cx = worker.context()
    const before = currentKey(cx, await signingKeys(cx), 'ES256')
    const kid = await plant()
    worker.clock.now += 360
    await expect(rotateKey(cx, 'RS256')).rejects.toThrow(kid)
    await deleteUnopenedKey(cx, kid, { isForced: false })
    expect((await signJwt(cx, 'ES256', 'at+jwt', claims())).kid).toBe(before?.kid)
    expect((await worker.request('/readyz')).status).toBe(200)
    await rotateKey(cx, 'RS256')
    const events = await cx.db.read(sql<{ data: string }>`
      select data from event where type = 'key.deleted'`)
    expect(events.map(({ data }) => JSON.parse(data))).toEqual([{ kid, alg: 'ES256' }])
  })

  test('is revoked as well, with a successor', async () => {
    const kid = await plant()
    worker.clock.now += 360
    const { successor } = await revokeKey(worker.context(), kid)
    expect((await signJwt(worker.context(), 'ES256', 'at+jwt', claims())).kid).toBe(successor?.kid)
  })

  test('is deleted by nobody who has the wrong SECRET_KEY, or none, unless forced; a good one never', async () => {
    const kid = await plant()
    const remove = (cx: Context, isForced = false, id = kid) =>
      deleteUnopenedKey(cx, id, { isForced })
    await expect(remove(start(new Uint8Array(32).fill(1)).context())).rejects.toMatchObject({
      detail: expect.stringContaining('opens nothing else'),
    })
    await expect(remove(start().context())).rejects.toMatchObject({
      detail: expect.stringContaining('without SECRET_KEY'),
    })
    const cx = worker.context()
    const good = currentKey(cx, await signingKeys(cx), 'RS256')
    await expect(remove(cx, false, good?.kid)).rejects.toMatchObject({
      detail: expect.stringContaining('opens this key'),
    })
    await expect(remove(cx, false, 'nobody')).rejects.toMatchObject({ type: 'not_found' })
    await remove(start().context(), true)
    worker.memory.clear()
    expect((await signingKeys(worker.context())).map((key) => key.kid)).not.toContain(kid)
  })
})
