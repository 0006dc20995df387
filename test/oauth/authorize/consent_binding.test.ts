// What a person allowed is bound to what was shown: a client with other redirect hosts, another way to
// authenticate or other keys is asked about anew, however it came to change.
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { clientDigest } from '../../../worker/oauth/clients/client_digest.ts'
import {
  type ClientInput,
  changeClient,
  createClient,
} from '../../../worker/oauth/clients/clients.ts'
import { type AuthMethod, INITIAL } from '../../../worker/oauth/clients/members.ts'
import type { Jwk } from '../../../worker/oauth/clients/public_jwk.ts'
import type { Outside, TestWorker } from '../../context.ts'
import { startWorker } from '../../context.ts'
import { Browser, formFields, type Page } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  follow,
  locationOf,
  pathOf,
  requestPath,
  rowsOf,
  signIn,
  startFlow,
  VERIFIER,
} from '../flow.ts'
import {
  register,
  pathOf as registrationPath,
  send,
  setRegistration,
} from '../registration_fixtures.ts'
import { basic, makeSigner, post, token } from '../token_fixtures.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'
const [one, two] = [await makeSigner('ES256', 'k1'), await makeSigner('ES256', 'k2')]
const keys = (...signers: (typeof one)[]) => ({ keys: signers.map(({ jwk }) => jwk as never) })

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow())
  await signIn(worker, browser, 'ann')
})

type Changes = Parameters<typeof requestPath>[0]

const ask = (changes: Changes = {}) => browser.get(requestPath({ client_id: 'shop', ...changes }))

async function allow(changes: Changes = {}): Promise<string> {
  const question = await follow(browser, await ask(changes))
  return answerOf(await browser.submit(question, { action: 'allow' }))['code'] ?? ''
}

/** What comes of a request without a question, and whether one with a question asks. */
async function standing(changes: Changes = {}) {
  const silent = answerOf(await ask({ ...changes, prompt: 'none' }))
  const asked = locationOf(await ask(changes)).pathname === '/consent'
  if (asked !== 'error' in silent) throw new Error('asked, but not so with prompt=none')
  return asked ? silent['error'] : 'allowed'
}

const addShop = (members: Partial<ClientInput> = {}) =>
  createClient(worker.context(), {
    ...APP,
    client_id: 'shop',
    redirect_uris: [CALLBACK, 'https://two.example/cb'],
    ...members,
  })

const change = (patch: Parameters<typeof changeClient>[2]) =>
  changeClient(worker.context(), 'shop', patch, null)

const SECRETIVE: Partial<ClientInput> = {
  token_endpoint_auth_method: 'client_secret_basic',
  client_secret: SECRET,
}
const KEYED: Partial<ClientInput> = {
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: keys(one),
}

describe('asks again, and once, when the operator changes', () => {
  test.each<[string, Partial<ClientInput>, Parameters<typeof changeClient>[2]]>([
    ['a redirect host', {}, { redirect_uris: [CALLBACK, 'https://evil.example/cb'] }],
    [
      'the redirect hosts, by one more',
      {},
      { redirect_uris: [CALLBACK, 'https://two.example/cb', 'https://three.example/cb'] },
    ],
    ['the redirect hosts, by one less', {}, { redirect_uris: [CALLBACK] }],
    ['the port of one', {}, { redirect_uris: [CALLBACK, 'https://two.example:8443/cb'] }],
    [
      'a host for a scheme of its own',
      { application_type: 'native' },
      { redirect_uris: [CALLBACK, 'com.example.app:/cb'] },
    ],
    ['authentication to none', SECRETIVE, { token_endpoint_auth_method: 'none' }],
    ['authentication to a secret', {}, { token_endpoint_auth_method: 'client_secret_post' }],
    ['a key', KEYED, { jwks: keys(two) }],
    ['the keys, by one more', KEYED, { jwks: keys(one, two) }],
    [
      'keys for the address of keys',
      KEYED,
      { jwks: null, jwks_uri: 'https://app.example/jwks.json' },
    ],
    [
      'the address of keys',
      { ...KEYED, jwks: null as never, jwks_uri: 'https://app.example/jwks.json' },
      { jwks_uri: 'https://evil.example/jwks.json' },
    ],
    ['the name in its certificate', {}, { tls_client_auth_san_dns: 'evil.example' }],
  ])('%s', async (_, before, patch) => {
    const { jwks, ...rest } = before
    await addShop(jwks === null ? rest : before)
    await allow()
    expect(await standing()).toBe('allowed')
    await change(patch)
    expect(await standing()).toBe('consent_required')
    await allow()
    expect(await standing()).toBe('allowed')
  })
})

test('asks again for another certificate of the same key, where certificates prove the client', () => {
  const digestWith = (token_endpoint_auth_method: AuthMethod, named: object) =>
    clientDigest({
      ...INITIAL,
      token_endpoint_auth_method,
      jwks: { keys: [{ ...(one.jwk as never as Jwk), ...named }] },
    })
  const forms = [
    {},
    { 'x5t#S256': 'A'.repeat(43) },
    { 'x5t#S256': 'B'.repeat(43) },
    { x5c: ['AAAA'] },
    { x5c: ['BBBB'] },
  ]
  const certified = forms.map((form) => digestWith('self_signed_tls_client_auth', form))
  expect(new Set(certified).size).toBe(forms.length)
  // Elsewhere a renewed certificate changes nothing.
  const signed = forms.map((form) => digestWith('private_key_jwt', form))
  expect(new Set(signed).size).toBe(1)
})

test('is not asked again for what was not shown: names, paths, scopes, order, secrets', async () => {
  await addShop({ ...SECRETIVE, jwks: keys(one, two) })
  await allow()
  for (const patch of [
    { client_name: 'Shop', logo_uri: 'https://app.example/logo.png' },
    { redirect_uris: ['https://two.example/other', 'https://two.example/cb', CALLBACK] },
    { scope: 'openid email' },
    { jwks: { keys: [two, one].map(({ jwk }) => ({ ...jwk, kid: 'renamed' }) as never) } },
  ]) {
    await change(patch)
    expect([patch, await standing()]).toEqual([patch, 'allowed'])
  }
  const { createClientSecret, listClientSecrets, removeClientSecret } = await import(
    '../../../worker/oauth/clients/client_secrets.ts'
  )
  const cx = worker.context()
  const [old] = await listClientSecrets(cx, 'shop')
  await createClientSecret(cx, 'shop', {})
  await removeClientSecret(worker.context(), 'shop', old?.id ?? '')
  expect(await standing()).toBe('allowed')
})

test('a change that is taken back brings back what was allowed', async () => {
  await addShop()
  await allow()
  const redirect_uris = [CALLBACK, 'https://evil.example/cb']
  await change({ redirect_uris })
  expect(await standing()).toBe('consent_required')
  await change({ redirect_uris: [CALLBACK, 'https://two.example/cb'] })
  expect(await standing()).toBe('allowed')
})

test('what is allowed anew counts for that alone', async () => {
  await addShop()
  await allow({ scope: 'openid email' })
  await change({ redirect_uris: [CALLBACK] })
  await allow({ scope: 'openid' })
  expect(await standing({ scope: 'openid' })).toBe('allowed')
  expect(await standing({ scope: 'openid email' })).toBe('consent_required')
})

test('refresh tokens of before go on', async () => {
  await addShop()
  const code = await allow({ scope: 'openid offline_access' })
  const { body } = await token(worker, {
    grant_type: 'authorization_code',
    client_id: 'shop',
    redirect_uri: CALLBACK,
    code,
    code_verifier: VERIFIER,
  })
  await change({ redirect_uris: [CALLBACK] })
  const { refresh_token = '' } = body
  const again = await token(worker, {
    grant_type: 'refresh_token',
    client_id: 'shop',
    refresh_token,
  })
  expect(again.status).toBe(200)
})

describe('asks again when the client changes itself', () => {
  test('by its registration (RFC 7592)', async () => {
    await setRegistration(worker, 'open')
    const made = await register(worker, { token_endpoint_auth_method: 'none' })
    const { client_id, registration_access_token } = made.body
    await allow({ client_id })
    expect(await standing({ client_id })).toBe('allowed')
    const metadata = {
      client_id,
      token_endpoint_auth_method: 'none',
      redirect_uris: [CALLBACK, 'https://evil.example/cb'],
    }
    const path = registrationPath(made)
    expect((await send(worker, 'PUT', path, metadata, registration_access_token)).status).toBe(200)
    // Anybody may have registered it: as it is now the person allowed it nothing, so its address
    // gets no errors (RFC 9700 §4.11.2).
    const redirect_uri = 'https://evil.example/cb'
    const silent = await ask({ client_id, redirect_uri, prompt: 'none' })
    expect([silent.status, silent.headers.get('location')]).toEqual([400, null])
    expect(pathOf(await ask({ client_id, redirect_uri }))).toMatch(/^\/consent/)
  })

  test('by its document', async () => {
    const outside: Outside = {}
    worker = await startWorker({}, { outside })
    await changeSettings(worker.context(), { client_id_metadata_documents: true })
    const { createUser } = await import('../../../worker/identity/users.ts')
    await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
    browser = new Browser(worker)
    await signIn(worker, browser, 'ann')
    const client_id = 'https://client.example/oauth/metadata.json'
    const serve = (redirect_uris: string[]) => {
      const document = { client_id, redirect_uris, token_endpoint_auth_method: 'none' }
      const headers = { 'content-type': 'application/json' }
      outside[client_id] = () => new Response(JSON.stringify(document), { headers })
    }
    serve([CALLBACK])
    await allow({ client_id })
    expect(await standing({ client_id })).toBe('allowed')
    serve([CALLBACK, 'https://evil.example/cb'])
    worker.clock.now += 3600
    // The very request that fetches the document is judged by it.
    expect(pathOf(await ask({ client_id }))).toMatch(/^\/consent/)
  })
})

test('an answer to a question that showed another client is asked anew', async () => {
  await addShop(SECRETIVE)
  const question = await follow(browser, await ask())
  await change({ token_endpoint_auth_method: 'none' })
  const answer = await browser.submit(question, { action: 'allow' })
  expect(pathOf(answer)).toMatch(/^\/consent\?request=/)
  expect(await rowsOf(worker, 'authorization_code')).toEqual([])
  const done = await browser.submit(await follow(browser, answer), { action: 'allow' })
  expect(answerOf(done)).toHaveProperty('code')
})

test('nor does one allow a device of it', async () => {
  const tv = { grant_types: ['urn:ietf:params:oauth:grant-type:device_code'] as never }
  await addShop({ ...SECRETIVE, ...tv })
  const begun = await post(
    worker,
    '/oauth/device_authorization',
    { scope: 'openid' },
    basic('shop', SECRET),
  )
  const code = String(begun.body['user_code'])
  const form = await browser.get('/device')
  const question: Page = await browser.submit(form, { code })
  await change({ token_endpoint_auth_method: 'client_secret_post', jwks: keys(one) })
  const answered = await browser.post('/device', { ...formFields(question), action: 'allow' })
  expect(answered.html).not.toContain('You can go back to your device')
  const rows = await worker.context().db.read(sql`select status from device_authorization`)
  expect(rows).toEqual([{ status: 'pending' }])
})

describe('rows from before a client was remembered with them', () => {
  const forget = () => worker.context().db.write(sql`update allowed_scope set client_digest = null`)
  const digests = async () =>
    (await rowsOf(worker, 'allowed_scope')).map((row) => row['client_digest'])

  test('count as long as the client stays as it is', async () => {
    await addShop()
    await allow()
    await forget()
    expect(await standing()).toBe('allowed')
    await change({ client_name: 'Shop' })
    expect(await standing()).toBe('allowed')
    expect(await digests()).toEqual([null])
  })

  test('are bound to the client as it was when it changes, and to no other', async () => {
    await addShop()
    await allow()
    await allow({ client_id: 'app' })
    const [bound] = await worker.context().db.read(
      sql<{ client_digest: string }>`
          select client_digest from allowed_scope where client_id = 'shop'`,
    )
    await forget()
    await change({ redirect_uris: [CALLBACK] })
    expect(await standing()).toBe('consent_required')
    const rows = await worker
      .context()
      .db.read(sql`select client_id, client_digest from allowed_scope order by client_id`)
    expect(rows).toEqual([
      { client_id: 'app', client_digest: null },
      { client_id: 'shop', ...bound },
    ])
    await change({ redirect_uris: [CALLBACK, 'https://two.example/cb'] })
    expect(await standing()).toBe('allowed')
  })

  test('are bound when they are next allowed', async () => {
    await addShop()
    await allow()
    const before = await digests()
    await forget()
    await allow({ prompt: 'consent' })
    expect(await digests()).toEqual(before)
    expect(before).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
  })

  test('are found without a look at all others', async () => {
    const plan = await worker.context().db.read(
      sql<{ detail: string }>`explain query plan select 1 from allowed_scope
          where client_id = ${'shop'} and client_digest is null`,
    )
    expect(plan.map(({ detail }) => detail).join()).toContain('allowed_scope_unbound')
  })
})

test('the page names the scheme where the answer goes to one, not a host that it is followed by', async () => {
  await addShop({
    application_type: 'native',
    redirect_uris: ['com.example.app://bank.example/cb'],
  })
  const redirect_uri = 'com.example.app://bank.example/cb'
  const { html } = await follow(browser, await ask({ redirect_uri }))
  expect(html).toContain('com.example.app:')
  expect(html).not.toContain('bank.example')
})
