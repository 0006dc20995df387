// Keys are judged alike at each place where one is taken. The judgement itself has a test of its
// own: keys/public_key.
import { beforeAll, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { startWorker, type TestWorker } from '../../context.ts'
import { reasonOf } from '../../support/log.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import { type AnyJwk, FOREIGN_KEYS, publicJwk, WEAK_KEYS } from '../../support/weak_keys.ts'
import { CALLBACK, requestPath } from '../flow.ts'
import { register, send } from '../registration_fixtures.ts'

const DOCUMENT = 'https://client.example/oauth/metadata.json'
const ISSUERS = { issuer: 'https://partner.example', subject: 'email' }

let worker: TestWorker
let operator: string
let good: AnyJwk
/** The keys in the client's document. */
let published: readonly AnyJwk[]
let registered: { client_id: string; registration_access_token: string }

beforeAll(async () => {
  const document = () =>
    Response.json({
      client_id: DOCUMENT,
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: published },
    })
  worker = await startWorker({}, { outside: { [DOCUMENT]: document } })
  operator = await newClientToken(worker, 'manage', 'ops')
  good = await publicJwk('ES256')
  published = [good]
  const cx = worker.context()
  await changeSettings(cx, { client_id_metadata_documents: true, registration: 'open' })
  const { body } = await register(worker, { jwks: { keys: [good] }, ...METHOD })
  registered = body
  await callApi(worker, operator, 'POST', '/v1/clients', { ...CLIENT, client_id: 'known' })
})

const METHOD = { token_endpoint_auth_method: 'private_key_jwt' }
const CLIENT = { redirect_uris: [CALLBACK] }

/** Each place answers whether it took the keys, and its words where it did not. */
const PLACES: Record<string, (keys: readonly AnyJwk[]) => Promise<[boolean, string]>> = {
  'POST /v1/clients': async (keys) => {
    const input = { ...CLIENT, ...METHOD, jwks: { keys } }
    const { status, body } = await callApi(worker, operator, 'POST', '/v1/clients', input)
    return [status === 201, JSON.stringify(body['errors'])]
  },
  'PATCH /v1/clients': async (keys) => {
    const path = '/v1/clients/known'
    const { status, body } = await callApi(worker, operator, 'PATCH', path, { jwks: { keys } })
    return [status === 200, JSON.stringify(body['errors'])]
  },
  'a registration (RFC 7591)': async (keys) => {
    const address = { 'x-test-address': `2001:db8:${(count++).toString(16)}::1` }
    const { status, body } = await register(
      worker,
      { ...METHOD, jwks: { keys } },
      undefined,
      address,
    )
    return [status === 201, body.error_description]
  },
  'a changed registration (RFC 7592)': async (keys) => {
    const { client_id, registration_access_token } = registered
    const metadata = { client_id, redirect_uris: [CALLBACK], ...METHOD, jwks: { keys } }
    const path = `/oauth/register/${client_id}`
    const { status, body } = await send(worker, 'PUT', path, metadata, registration_access_token)
    return [status === 200, body.error_description]
  },
  'a document of the client': async (keys) => {
    published = keys
    worker.clock.now += 86_400
    const answer = await worker.request(requestPath({ client_id: DOCUMENT }))
    return [answer.status === 303, String(worker.log.at(-1)?.fields['description'])]
  },
  'a trusted issuer': async (keys) => {
    const change = { trusted_issuers: [{ ...ISSUERS, jwks: { keys } }] }
    const { status, body } = await callApi(worker, operator, 'PATCH', '/v1/settings', change)
    return [status === 200, JSON.stringify(body['errors'])]
  },
}
let count = 1

test.each(Object.keys(PLACES))('%s takes no key that can be forged or never used', async (name) => {
  for (const [weakness, jwk, member] of WEAK_KEYS) {
    operator = await newClientToken(worker)
    const [isTaken, words] = (await PLACES[name]?.([good, jwk])) ?? [true, '']
    expect([weakness, isTaken]).toEqual([weakness, false])
    if (!name.startsWith('a document')) {
      expect(words).toContain(`jwks/keys/1${member === '' ? '' : `/${member}`}`)
    }
  }
})

test.each(Object.keys(PLACES))(
  '%s passes over what is none of ours, but wants one key',
  async (name) => {
    operator = await newClientToken(worker)
    const foreign = FOREIGN_KEYS.map(([, jwk]) => jwk)
    expect((await PLACES[name]?.([...foreign, good]))?.[0]).toBe(true)
    expect((await PLACES[name]?.(foreign))?.[0]).toBe(false)
    expect((await PLACES[name]?.([]))?.[0]).toBe(false)
  },
)

test('members of a set beside its keys are left out (RFC 7517 §5)', async () => {
  operator = await newClientToken(worker)
  const input = { ...CLIENT, ...METHOD, jwks: { keys: [good], generated_at: 1 } }
  const { status, body } = await callApi(worker, operator, 'POST', '/v1/clients', input)
  expect([status, body['jwks']]).toEqual([201, { keys: [good] }])
  expect(reasonOf(worker)).not.toBe('bug')
})
