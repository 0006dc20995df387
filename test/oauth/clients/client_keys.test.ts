// Keys that a client publishes itself: fetched when they are needed, kept for a short time, and never a way to make us
// ask somebody over and over.
import { expect, test } from 'vitest'
import type { ClientInput } from '../../../worker/oauth/clients/clients.ts'
import { type Outside, startWorker, type TestWorker } from '../../context.ts'
import { reasonOf } from '../../support/log.ts'
import { WEAK_KEYS } from '../../support/weak_keys.ts'
import {
  addApp,
  addClient,
  asserted,
  assertion,
  makeSigner,
  type Signer,
  token,
} from '../token_fixtures.ts'

const JWKS = 'https://rp.example/jwks.json'
const own = { grant_type: 'client_credentials' }
const JOB: ClientInput = {
  client_id: 'job',
  grant_types: ['client_credentials'],
  scope: 'orders',
  token_endpoint_auth_method: 'private_key_jwt',
  jwks_uri: JWKS,
}

/** A worker with the client `job`, whose keys are at an address; what is there can be changed. */
async function startPublished(answer: () => Response, input: ClientInput = {}) {
  const state = { answer, fetched: 0 }
  const outside: Outside = {
    [JWKS]: () => {
      state.fetched++
      return state.answer()
    },
  }
  const worker = await startWorker({}, { outside })
  await worker.request('/.well-known/jwks.json')
  await addClient(worker, { ...JOB, ...input })
  return { worker, state }
}

const publish =
  (...signers: Signer[]) =>
  () =>
    Response.json({ keys: signers.map(({ jwk }) => jwk) })

async function ask(worker: TestWorker, signer: Signer, header: Record<string, unknown> = {}) {
  const { kid } = signer.jwk
  const signed = await assertion(worker, signer, 'job', {
    header: { ...(kid === undefined ? {} : { kid }), ...header },
  })
  return token(worker, { ...own, ...asserted(signed) })
}

test('a client signs with a key from its jwks_uri, which is fetched once in a minute', async () => {
  const signer = await makeSigner('ES256', 'k1')
  const { worker, state } = await startPublished(publish(signer))
  for (let i = 0; i < 3; i++) expect((await ask(worker, signer)).status).toBe(200)
  expect(state.fetched).toBe(1)
  worker.clock.now += 60
  expect((await ask(worker, signer)).status).toBe(200)
  expect(state.fetched).toBe(2)
})

test('a key that was taken away counts no longer than a minute', async () => {
  const [old, next] = [await makeSigner('ES256', 'k1'), await makeSigner('ES256', 'k2')]
  const { worker, state } = await startPublished(publish(old))
  expect((await ask(worker, old)).status).toBe(200)
  state.answer = publish(next)
  worker.clock.now += 60
  expect((await ask(worker, old)).body.error).toBe('invalid_client')
  expect((await ask(worker, next)).status).toBe(200)
})

test('a new key is fetched when it is used, but made-up key ids do not make us ask again and again', async () => {
  const [old, next] = [await makeSigner('ES256', 'k1'), await makeSigner('ES256', 'k2')]
  const { worker, state } = await startPublished(publish(old))
  expect((await ask(worker, old)).status).toBe(200)
  state.answer = publish(old, next)
  for (let i = 0; i < 20; i++) {
    expect((await ask(worker, old, { kid: `made-up-${i}` })).status).toBe(401)
  }
  expect(state.fetched).toBe(1)
  worker.clock.now += 10
  expect((await ask(worker, next)).status).toBe(200)
  expect(state.fetched).toBe(2)
  expect((await ask(worker, old)).status).toBe(200)
  expect(state.fetched).toBe(2)
})

test('key ids of a stranger take no keys away while the address cannot be read, nor keep them longer', async () => {
  const signer = await makeSigner('ES256', 'k1')
  const { worker, state } = await startPublished(publish(signer))
  expect((await ask(worker, signer)).status).toBe(200)
  state.answer = () => new Response('slow down', { status: 429 })
  for (let i = 1; i < 6; i++) {
    worker.clock.now += 10
    expect((await ask(worker, signer, { kid: `made-up-${i}` })).status).toBe(401)
    expect((await ask(worker, signer)).status).toBe(200)
    expect(state.fetched).toBe(1 + i)
  }
  worker.clock.now += 10
  expect((await ask(worker, signer)).status).toBe(401)
})

test.each<[string, () => Response | Promise<Response>, string]>([
  ['an error', () => new Response('no', { status: 500 }), 'jwks_uri_status'],
  ['nothing', () => new Response('', { status: 404 }), 'jwks_uri_status'],
  ['a redirect', () => Response.redirect('https://evil.example/'), 'jwks_uri_redirect'],
  ['no JSON', () => new Response('<html>'), 'jwks_uri_no_jwk_set'],
  ['JSON null', () => new Response('null'), 'jwks_uri_no_jwk_set'],
  ['a list', () => new Response('[]'), 'jwks_uri_no_jwk_set'],
  ['keys that are no list', () => Response.json({ keys: {} }), 'jwks_uri_no_jwk_set'],
  ['endless keys', () => Response.json({ keys: Array(51).fill({}) }), 'jwks_uri_no_jwk_set'],
  ['a huge document', () => new Response(' '.repeat(70_000)), 'jwks_uri_too_large'],
  ['a cut connection', () => Promise.reject(new Error('reset')), 'jwks_uri_unreachable'],
])(
  'a jwks_uri that answers with %s is a plain invalid_client, and the log says %3$s',
  async (...row) => {
    const [, answer, reason] = row
    const signer = await makeSigner('ES256', 'k1')
    const { worker, state } = await startPublished(answer as () => Response)
    for (let i = 0; i < 3; i++) {
      const { status, body } = await ask(worker, signer)
      expect([status, body]).toEqual([
        401,
        {
          error: 'invalid_client',
          error_description: 'client authentication failed',
          server_time: worker.clock.now,
        },
      ])
      expect(reasonOf(worker)).toBe(reason)
    }
    // Whoever cannot answer is not asked by each request.
    expect(state.fetched).toBe(1)
    state.answer = publish(signer)
    worker.clock.now += 10
    expect((await ask(worker, signer)).status).toBe(200)
  },
)

test('a jwks_uri that leads into our own network is not fetched', async () => {
  const signer = await makeSigner('ES256')
  const worker = await startWorker()
  await worker.request('/.well-known/jwks.json')
  await addClient(worker, { ...JOB, jwks_uri: 'https://10.0.0.1/jwks' })
  expect((await ask(worker, signer)).status).toBe(401)
  expect(reasonOf(worker)).toBe('jwks_uri_private_address')
})

test('keys of no use are passed over: private, symmetric, for encryption, of other kinds', async () => {
  const signer = await makeSigner('ES256', 'good')
  const { d } = (await crypto.subtle.exportKey('jwk', signer.privateKey)) as JsonWebKey
  const useless = [
    null,
    'x',
    { kty: 'oct', k: 'AAAA', kid: 'a' },
    { ...signer.jwk, kid: 'private', d },
    { ...signer.jwk, kid: 'enc', use: 'enc' },
    { kty: 'EC', crv: 'P-521', x: 'AA', y: 'AA' },
    { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
  ]
  const { worker } = await startPublished(() => Response.json({ keys: [...useless, signer.jwk] }))
  expect((await ask(worker, signer)).status).toBe(200)
  for (const kid of ['private', 'enc', 'a']) {
    expect((await ask(worker, signer, { kid })).status).toBe(401)
  }
})

test('the keys of one client are not those of another', async () => {
  const signer = await makeSigner('ES256', 'k1')
  const { worker } = await startPublished(publish(signer))
  const other = await makeSigner('ES256', 'k1')
  await addClient(worker, {
    ...JOB,
    client_id: 'other',
    jwks_uri: null,
    jwks: { keys: [other.jwk as never] },
  })
  await addApp(worker)
  expect((await ask(worker, signer)).status).toBe(200)
  const signed = await assertion(worker, signer, 'other', { header: { kid: 'k1' } })
  expect((await token(worker, { ...own, ...asserted(signed) })).status).toBe(401)
})

test('token_endpoint_auth_signing_alg is obeyed, under both names of Ed25519', async () => {
  const [rsa, ed] = [await makeSigner('RS256', 'r'), await makeSigner('EdDSA', 'e')]
  const { worker } = await startPublished(publish(rsa, ed), {
    token_endpoint_auth_signing_alg: 'Ed25519',
  })
  expect((await ask(worker, ed)).status).toBe(200)
  expect((await ask(worker, rsa)).body.error).toBe('invalid_client')
  expect(reasonOf(worker)).toBe('assertion_alg')
})

test('weak keys at a jwks_uri are passed over like those of no use', async () => {
  const signer = await makeSigner('ES256', 'good')
  const weak = WEAK_KEYS.map(([, jwk], n) => ({ ...jwk, kid: `weak-${n}` }))
  const { worker } = await startPublished(() => Response.json({ keys: [...weak, signer.jwk] }))
  expect((await ask(worker, signer)).status).toBe(200)
  for (const { kid } of weak) {
    expect((await ask(worker, signer, { kid })).status).toBe(401)
    expect(reasonOf(worker)).toBe('no_such_key')
  }
})

/** RFC 8410 has no word on it: S = 0 and R = A verify for a key of order 1, for any message. */
test('nobody signs with an Ed25519 key of small order', async () => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: `AQ${'A'.repeat(41)}`, kid: 'k1' }
  const { worker } = await startPublished(() => Response.json({ keys: [jwk] }))
  const real = await makeSigner('EdDSA', 'k1')
  const [header, payload] = (await assertion(worker, real, 'job', { header: { kid: 'k1' } })).split(
    '.',
  )
  const forged = `${header}.${payload}.AQ${'A'.repeat(84)}`
  expect((await token(worker, { ...own, ...asserted(forged) })).status).toBe(401)
  expect(reasonOf(worker)).toBe('no_such_key')
})
