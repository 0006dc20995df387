// What happens between the reading and the writing of a token request counts: the write judges anew.
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import type { TestWorker } from '../../context.ts'
import {
  addApp,
  addCode,
  asserted,
  assertion,
  count,
  makeSigner,
  overtaken,
  REDIRECT,
  redeem,
  refresh,
  type Signer,
  setStatus,
  signIn,
  startIssuer,
  token,
  VERIFIER,
  write,
} from '../token_fixtures.ts'

async function startApp() {
  const worker = await startIssuer()
  await addApp(worker)
  return worker
}

const revocations = (worker: TestWorker) =>
  count(worker, sql`from event where type = 'authorization.revoked'`)

const alive = (worker: TestWorker) =>
  count(worker, sql`from authorization where revoked_at is null`)

/** What may end in the meantime. */
const ENDS: [string, (worker: TestWorker) => Promise<unknown>][] = [
  ['the person is disabled', (worker) => setStatus(worker, 'user', 'ann', 'disabled')],
  ['the person is deleted', (worker) => write(worker, sql`delete from user where id = 'ann'`)],
  ['the client is disabled', (worker) => setStatus(worker, 'client', 'app', 'disabled')],
  ['the client is deleted', (worker) => write(worker, sql`delete from client where id = 'app'`)],
]

describe('a code', () => {
  test.each(ENDS)('is refused, and issues nothing, when meanwhile %s', async (_, end) => {
    const worker = await startApp()
    const { code } = await addCode(worker)
    const answer = await redeem(
      overtaken(worker, () => end(worker)),
      code,
    )
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect(await count(worker, sql`from refresh_token`)).toBe(0)
    expect(await count(worker, sql`from authorization_code where redeemed_by is null`)).toBe(1)
  })

  test('that another request redeems meanwhile is refused and revokes what that one issued', async () => {
    const worker = await startApp()
    const { code } = await addCode(worker)
    let first = ''
    const second = await redeem(
      overtaken(worker, async () => {
        const { body } = await redeem(worker, code)
        first = body.refresh_token ?? ''
      }),
      code,
    )
    expect(first).toHaveLength(50)
    expect(second.body.error).toBe('invalid_grant')
    expect([await alive(worker), await revocations(worker)]).toEqual([0, 1])
    expect((await refresh(worker, first)).body.error).toBe('invalid_grant')
  })
})

describe('a refresh token', () => {
  test.each([
    ...ENDS,
    [
      'its authorization is revoked',
      (worker: TestWorker) => write(worker, sql`update authorization set revoked_at = 1`),
    ] as (typeof ENDS)[number],
  ])('is refused, and gives no successor, when meanwhile %s', async (_, end) => {
    const worker = await startApp()
    const first = await signIn(worker)
    const { body } = await refresh(worker, first.refresh_token)
    // With a scope it is read first; else there is no moment between reading and writing.
    const answer = await refresh(
      overtaken(worker, () => end(worker)),
      body.refresh_token ?? '',
      { scope: 'openid offline_access' },
    )
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
    expect(answer.body.access_token).toBeUndefined()
    expect(await count(worker, sql`from refresh_token`)).toBe(2)
    expect(await revocations(worker)).toBe(0)
  })

  test('whose sibling is used meanwhile is refused and revokes the family', async () => {
    const worker = await startApp()
    const { refresh_token } = await signIn(worker)
    const [elder, younger] = await Promise.all([
      refresh(worker, refresh_token),
      refresh(worker, refresh_token),
    ])
    const answer = await refresh(
      overtaken(worker, () => refresh(worker, younger.body.refresh_token ?? '')),
      elder.body.refresh_token ?? '',
      { scope: 'openid offline_access' },
    )
    expect(answer.body.error).toBe('invalid_grant')
    expect([await alive(worker), await revocations(worker)]).toEqual([0, 1])
  })
})

describe('a client whose assertion was used before', () => {
  async function startSigned() {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addApp(worker, {
      client_id: 'web',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
    })
    const { code } = await addCode(worker, { client_id: 'web' })
    const redeemWith = (text: string) =>
      token(worker, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT,
        code_verifier: VERIFIER,
        ...asserted(text),
      })
    return { worker, signer, redeemWith }
  }

  const sign = (worker: TestWorker, signer: Signer) => assertion(worker, signer, 'web')

  test('ends nothing by a spent code', async () => {
    const { worker, signer, redeemWith } = await startSigned()
    const used = await sign(worker, signer)
    expect((await redeemWith(used)).status).toBe(200)
    expect((await redeemWith(used)).body.error).toBe('invalid_client')
    expect([await alive(worker), await revocations(worker)]).toEqual([1, 0])
    expect((await redeemWith(await sign(worker, signer))).body.error).toBe('invalid_grant')
    expect([await alive(worker), await revocations(worker)]).toEqual([0, 1])
  })

  test('uses no refresh token, and ends no family by a stray one', async () => {
    const { worker, signer, redeemWith } = await startSigned()
    const { body } = await redeemWith(await sign(worker, signer))
    const use = (text: string) =>
      token(worker, {
        grant_type: 'refresh_token',
        refresh_token: body.refresh_token,
        ...asserted(text),
      })
    const used = await sign(worker, signer)
    expect((await use(used)).status).toBe(200)
    worker.clock.now += 10
    expect((await use(used)).body.error).toBe('invalid_client')
    const moved = sql`from authorization where last_used_at = ${worker.clock.now}`
    expect(await count(worker, moved)).toBe(0)

    await write(worker, sql`update authorization set head = 'of another line'`)
    expect((await use(used)).body.error).toBe('invalid_client')
    expect([await alive(worker), await revocations(worker)]).toEqual([1, 0])
    expect((await use(await sign(worker, signer))).body.error).toBe('invalid_grant')
    expect([await alive(worker), await revocations(worker)]).toEqual([0, 1])
  })
})
