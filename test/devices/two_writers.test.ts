// Two writers of the registry at once: each of them is done as a whole or not at all, as if one had
// come after the other.
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { revokeClaimToken } from '../../worker/devices/getting_in/claim_tokens.ts'
import { claimDevice } from '../../worker/devices/getting_in/claims.ts'
import { importDevices } from '../../worker/devices/getting_in/device_import.ts'
import { release } from '../../worker/devices/getting_in/release.ts'
import { actor } from '../access/fixture.ts'
import { ISSUER, type TestWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'
import { linkIn, mailsOf } from '../identity/mails.ts'
import { PASSWORD } from '../support/people.ts'
import { HOMES, startHomes } from '../support/places.ts'
import { overtakenOnce } from '../support/repeated_writes.ts'

type Key = { private: CryptoKey; jwk: JWK }

async function newKey(): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  return { private: privateKey as CryptoKey, jwk: await exportJWK(publicKey) }
}

async function startRegistry(document: Record<string, unknown> = HOMES) {
  const homes = await startHomes(document)
  const { worker, ops } = homes
  const made = await ops('POST /v1/claim-tokens', { type: 'dimmer', uses: 9, again: 'reset' })
  const batch = { id: String(made.body['id']), claim_token: String(made.body['claim_token']) }
  const claim = async (cx: Context, key: Key, serial = 'SN-1') =>
    claimDevice(cx, {
      claim_token: batch.claim_token,
      proof: await new SignJWT({
        jti: crypto.randomUUID(),
        hardware_ids: [{ kind: 'serial', value: serial }],
      })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'device-claim+jwt', jwk: key.jwk })
        .setAudience(ISSUER)
        .setExpirationTime(worker.clock.now + 60)
        .sign(key.private),
    })
  const ahead = async (key: Key | null) => {
    const answer = await ops('POST /v1/devices', {
      id: 'box',
      type: 'dimmer',
      status: 'unclaimed',
      hardware_ids: [{ kind: 'serial', value: 'SN-1' }],
      ...(key === null ? {} : { credentials: [{ kind: 'jwk', jwk: key.jwk }] }),
    })
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  }
  return { ...homes, batch, claim, ahead }
}

async function runImport(cx: Context, rows: readonly object[]) {
  async function* body() {
    yield new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join('\n'))
  }
  const request = { format: 'application/x-ndjson', dry_run: false, resume: undefined } as const
  const text = await new Response(await importDevices(cx, body(), request)).text()
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { line?: number; result?: string; stopped?: string })
}

const resultsOf = (lines: readonly { result?: string }[]) =>
  lines.flatMap(({ result }) => result ?? [])

const reasonOf = (error: unknown) => (error as { reason?: string }).reason

const countOf = async (worker: TestWorker) => {
  const [row] = await worker.context().db.read(sql<Record<string, number>>`
    select (select count(*) from device) as device,
      (select count(*) from principal where kind = 'device') as principal,
      (select count(*) from device_credential) as credential,
      (select count(*) from hardware_id) as number,
      (select sum(used) from claim_batch) as used`)
  return row
}

test('a claim whose token is revoked before it is written makes nothing', async () => {
  const { worker, batch, claim } = await startRegistry()
  const before = await countOf(worker)
  const late = overtakenOnce(worker.context(), () =>
    revokeClaimToken(worker.context(), batch.id, 'suspend'),
  )
  const refused = await claim(late, await newKey()).catch((error: unknown) => error)
  expect(reasonOf(refused)).toBe('claim_over')
  expect(await countOf(worker)).toEqual(before)
})

test('a device that comes in while its token is being revoked is suspended with the others', async () => {
  const { worker, ops, batch, claim } = await startRegistry()
  let id = ''
  const late = overtakenOnce(worker.context(), async () => {
    id = (await claim(worker.context(), await newKey())).device_id
  })
  const { devices_suspended } = await revokeClaimToken(late, batch.id, 'suspend')
  expect((await ops(`GET /v1/devices/${id}`)).body['status']).toBe('suspended')
  expect(devices_suspended).toBe(1)
  const events = await ops(`GET /v1/events?object=${batch.id}&object_kind=claim_batch`)
  const revoked = (events.body.items as { type: string; data: object }[]).filter(
    ({ type }) => type === 'claim_batch.revoked',
  )
  expect(revoked).toMatchObject([{ data: { devices: 1 } }])
})

test('a device that is released before its claim is written is not claimed with the key of before', async () => {
  const { worker, ops, claim, ahead } = await startRegistry()
  const key = await newKey()
  await ahead(key)
  const late = overtakenOnce(worker.context(), () => release(worker.context(), 'box', null))
  const refused = await claim(late, key).catch((error: unknown) => error)
  expect(reasonOf(refused)).toBe('claim_again')
  expect((await ops('GET /v1/devices/box')).body['status']).toBe('unclaimed')
  // It comes in with another key, since it was released.
  expect((await claim(worker.context(), await newKey())).is_new).toBe(true)
})

test('a device that gets another type before its claim is written is not claimed', async () => {
  const { worker, ops, claim, ahead } = await startRegistry()
  await ahead(null)
  await ops('POST /v1/device-types', { name: 'valve' })
  const late = overtakenOnce(worker.context(), () =>
    ops('PATCH /v1/devices/box', { type: 'valve' }),
  )
  const refused = await claim(late, await newKey()).catch((error: unknown) => error)
  expect(reasonOf(refused)).toBe('claim_again')
  expect((await ops('GET /v1/devices/box')).body).toMatchObject({
    type: 'valve',
    status: 'unclaimed',
  })
})

test('a device that is claimed before its release is written keeps its key, and the release is refused', async () => {
  const { worker, ops, claim, ahead } = await startRegistry()
  const key = await newKey()
  await ahead(key)
  const late = overtakenOnce(worker.context(), () => claim(worker.context(), key))
  const refused = await release(late, 'box', null).catch((error: unknown) => error)
  expect((refused as { type?: string }).type).toBe('precondition_failed')
  expect((await ops('GET /v1/devices/box')).body['status']).toBe('active')
  const keys = (await ops('GET /v1/devices/box/credentials')).body.items
  expect(keys).toMatchObject([{ revoked_at: null }])
})

test('a key that is revoked, or registered, before a claim is written is not passed over', async () => {
  for (const isRevoked of [true, false]) {
    const { worker, ops, claim, ahead } = await startRegistry()
    const key = await newKey()
    await ahead(isRevoked ? key : null)
    const late = overtakenOnce(worker.context(), async () => {
      const path = '/v1/devices/box/credentials'
      if (!isRevoked) {
        const factory = { kind: 'jwk', jwk: (await newKey()).jwk }
        expect((await ops(`POST ${path}`, factory)).status).toBe(201)
        return
      }
      const [made] = (await ops(`GET ${path}`)).body.items as { id: string }[]
      expect((await ops(`DELETE ${path}/${made?.id}`)).status).toBe(204)
    })
    const refused = await claim(late, key).catch((error: unknown) => error)
    expect(reasonOf(refused), String(isRevoked)).toBe('claim_again')
    expect((await ops('GET /v1/devices/box')).body['status']).toBe('unclaimed')
  }
})

test('a row whose group moves below one of more power before it is stored fails, and the others go on', async () => {
  const { worker, ops } = await startRegistry({
    ...HOMES,
    groups: [...HOMES.groups, { id: 'mighty', kind: 'team' }, { id: 'spot', kind: 'room' }],
    grants: [...HOMES.grants, { subject: 'mighty', role: 'master', object: '*' }],
  })
  const few = worker.context(actor('client', 'importer', 'devices:read devices:write'))
  const late = overtakenOnce(few, () => ops('PATCH /v1/groups/spot', { parent_id: 'mighty' }))
  const rows = [
    { id: 'n-1', type: 'dimmer', groups: ['spot'] },
    { id: 'n-2', type: 'dimmer' },
  ]
  expect(resultsOf(await runImport(late, rows))).toEqual(['failed', 'created'])
  expect((await ops('GET /v1/devices/n-1')).status).toBe(404)
  expect((await ops('GET /v1/groups/spot')).body['parent_id']).toBe('mighty')
})

test('an import into a place that changes hands meanwhile is stored whole, and the transfer too', async () => {
  const { worker, ops, as } = await startRegistry({
    ...HOMES,
    devices: HOMES.devices.filter(({ id }) => id !== 'hub'),
  })
  await ops('PATCH /v1/settings', { sign_up: 'by_invitation' })
  worker.memory.clear()
  const offered = await ops('POST /v1/groups/site-1/transfer', { to: 'bea@example.com' })
  expect(offered.status, JSON.stringify(offered.body)).toBe(201)
  const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'transfer')
  if (mail === undefined) throw new Error('no mail')
  const { pathname, search } = linkIn(mail)
  const accept = async () => {
    const browser = new Browser(worker)
    const page = await browser.get(pathname + search)
    return browser.submit(page, { name: 'Bea', password: PASSWORD, action: 'create' })
  }
  const jwk = (await newKey()).jwk
  const rows = Array.from({ length: 20 }, (_, n) => ({
    id: `n-${n}`,
    type: 'dimmer',
    groups: ['room-1'],
    ...(n === 0 ? { credentials: [{ kind: 'jwk', jwk }] } : {}),
  }))
  const results = resultsOf(await runImport(overtakenOnce(worker.context(), accept), rows))
  expect(results).toEqual(rows.map(() => 'created'))
  const state = await ops('GET /v1/groups/site-1/transfer')
  expect(state.body['state']).toBe('accepted')
  const listed = await ops('GET /v1/devices?group=room-1&limit=50')
  expect(listed.body.items).toHaveLength(21)
  expect((await ops('GET /v1/devices/n-0/credentials')).body.items).toHaveLength(1)
  // The former owner sees none of them.
  await expect(as('ann')).rejects.toThrow('holds none of the management scopes')
})

test('an import stops when its actor may change devices no more', async () => {
  const { worker, ops } = await startRegistry()
  const cx = worker.context(actor('user', 'boss', 'devices:read devices:write manage'))
  const rows = Array.from({ length: 1200 }, (_, n) => ({ id: `n-${n}`, type: 'dimmer' }))
  const ended = overtakenOnce(cx, async () => {
    expect((await ops('PATCH /v1/users/boss', { status: 'disabled' })).status).toBe(200)
    worker.clock.now += 30
  })
  const lines = await runImport(ended, rows)
  expect(resultsOf(lines)).toHaveLength(500)
  expect(lines.at(-2)).toEqual({ line: 500, stopped: 'its actor may change devices no more' })
  expect(lines.at(-1)).toMatchObject({ summary: { created: 500 } })
  expect((await ops('GET /v1/devices/n-500')).status).toBe(404)
})
