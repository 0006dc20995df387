// An offer is a secret that somebody makes by power of the own, and that somebody else uses later.
// Each kind dies with its maker: disabled, or without the power.
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import type { Actor } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { createClaimToken } from '../../worker/devices/getting_in/claim_tokens.ts'
import { createPasswordLink } from '../../worker/identity/recovery.ts'
import { createSignInLink } from '../../worker/identity/sign_in/operator_link.ts'
import { runJobs } from '../../worker/jobs.ts'
import { createInitialAccessToken } from '../../worker/oauth/registration/initial_access_tokens.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'
import { createPerson, PASSWORD } from '../support/people.ts'

const SCOPES = ['devices:write', 'devices:read', 'clients:write', 'users:read', 'users:write']

async function start() {
  const worker = await startWorker()
  const cx = worker.context()
  await changeSettings(cx, { registration: 'token' })
  for (const id of ['maker', 'bob']) {
    await createPerson(cx, { id, email: `${id}@example.com`, password: PASSWORD })
  }
  await applyBlueprint(
    cx,
    {
      groups: [{ id: 'home', kind: 'site' }],
      device_types: [{ name: 'meter' }],
      roles: [{ name: 'maker', permissions: SCOPES }],
      devices: [{ id: 'lamp', type: 'meter' }],
      grants: [{ subject: 'maker', role: 'maker', object: '*' }],
    },
    {},
  )
  const actor: Actor = { kind: 'user', id: 'maker', scopes: new Set(SCOPES) }
  return { worker, by: worker.context(actor) }
}

type Started = Awaited<ReturnType<typeof start>>

/** Makes an offer, and answers how it is used: whether that did anything. */
type Kind = (started: Started) => Promise<() => Promise<boolean>>

const post = (worker: TestWorker, path: string, body: object, headers: object = {}) =>
  worker.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

async function isLinkUsed(worker: TestWorker): Promise<boolean> {
  const used = await worker.context().db.read(sql`select 1 from account_link where used_by <> ''`)
  return used.length === 1
}

const KINDS: Record<string, Kind> = {
  'a claim token': async ({ worker, by }) => {
    const { claim_token } = await createClaimToken(by, { type: 'meter' })
    return async () => {
      const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
      const proof = await new SignJWT({
        aud: ISSUER,
        exp: worker.clock.now + 60,
        jti: 'p',
        hardware_ids: [{ kind: 'serial', value: 'SN-1' }],
      })
        .setProtectedHeader({
          alg: 'EdDSA',
          typ: 'device-claim+jwt',
          jwk: await exportJWK(publicKey),
        })
        .sign(privateKey)
      return (await post(worker, '/devices/claim', { claim_token, proof })).ok
    }
  },
  'an initial access token': async ({ worker, by }) => {
    const { initial_access_token } = await createInitialAccessToken(by, { scope: 'users:read' })
    return async () =>
      (
        await post(
          worker,
          '/oauth/register',
          { redirect_uris: ['https://app.example/'] },
          { authorization: `Bearer ${initial_access_token}` },
        )
      ).ok
  },
  'a link to a new password': async ({ worker, by }) => {
    const { url } = await createPasswordLink(by, 'bob')
    return async () => {
      const browser = new Browser(worker)
      const page = await browser.get(url?.slice(ISSUER.length) ?? '')
      await browser.submit(page, { password: 'another pass phrase' })
      return isLinkUsed(worker)
    }
  },
  'a link to sign in': async ({ worker, by }) => {
    const { url } = await createSignInLink(by, 'bob', { send: false })
    return async () => {
      const browser = new Browser(worker)
      await browser.submit(await browser.get(url?.slice(ISSUER.length) ?? ''), {})
      return isLinkUsed(worker)
    }
  },
}

const ENDS: Record<string, (started: Started) => Promise<unknown>> = {
  'is disabled': ({ worker }) =>
    worker
      .context()
      .db.write([sql`update user set status = 'disabled', epoch = epoch + 1 where id = 'maker'`]),
  'was disabled and enabled': ({ worker }) =>
    worker.context().db.write([sql`update user set epoch = epoch + 1 where id = 'maker'`]),
  'lost the power': ({ worker }) => worker.context().db.write([sql`delete from "grant"`]),
}

describe.each(Object.entries(KINDS))('%s', (name, make) => {
  test('is good while its maker has the power', async () => {
    const use = await make(await start())
    expect(await use()).toBe(true)
  })

  test.each(Object.entries(ENDS))('is dead once its maker %s', async (end, bring) => {
    const started = await start()
    const use = await make(started)
    await bring(started)
    expect([name, end, await use()]).toEqual([name, end, false])
  })
})

test('the table has each kind of secret that is kept for somebody else to use', async () => {
  const { worker } = await start()
  const tables = await worker.context().db.read(
    sql<{ name: string }>`select m.name from sqlite_schema m, pragma_table_info(m.name) c
      where m.type = 'table' and c.name in ('maker', 'inviter', 'made_by') group by m.name
      order by m.name`,
  )
  // Invitations, transfers and codes of devices have tests of their own: they are mailed or shown.
  expect(tables.map(({ name }) => name)).toEqual([
    'account_link',
    'claim_batch',
    'device_claim',
    'device_credential',
    'device_token',
    'factor',
    'initial_access_token',
    'invitation',
    'place_account',
    'place_transfer',
    'recovery_code',
  ])
})

test('a claim token of the version before, whose maker is gone, is dead', async () => {
  const started = await start()
  const use = await KINDS['a claim token']?.(started)
  const { db } = started.worker.context()
  await db.write([
    sql`update claim_batch set maker = null`,
    sql`update user set status = 'disabled' where id = 'maker'`,
  ])
  expect(await use?.()).toBe(false)
  await db.write([sql`update user set status = 'active' where id = 'maker'`])
  expect(await use?.()).toBe(true)
  await runJobs(started.worker.context())
})
