// The setting that lets clients which prove themselves have plain http addresses in private networks.
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { type ClientInput, createClient } from '../../../worker/oauth/clients/clients.ts'
import type { TestWorker } from '../../context.ts'
import type { Browser } from '../../identity/browser.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import { APP, answerOf, CALLBACK, requestPath, signIn, startFlow } from '../flow.ts'
import { register, setRegistration } from '../registration_fixtures.ts'
import { fapiMembers, makeSigner } from '../token_fixtures.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'
const HOME = 'http://homeassistant.local:8123/auth/oidc/callback'

let worker: TestWorker
let browser: Browser
let operator: string
beforeEach(async () => {
  ;({ worker, browser } = await startFlow())
  operator = await newClientToken(worker, 'manage', 'ops')
  await signIn(worker, browser, 'ann')
})

const permit = (private_network_redirects: boolean) =>
  changeSettings(worker.context(), { private_network_redirects })

const ENTRY: ClientInput & { client_id: string } = {
  client_id: 'home',
  client_secret: SECRET,
  token_endpoint_auth_method: 'client_secret_basic',
  redirect_uris: [HOME],
  scope: 'openid',
}

const make = async (changes: Record<string, unknown> = {}) => {
  const entry = { ...ENTRY, client_id: undefined, ...changes }
  const { status, body } = await callApi(worker, operator, 'POST', '/v1/clients', entry)
  const errors = (body['errors'] ?? []) as { pointer: string; detail: string }[]
  return { status, body, faults: errors.map(({ pointer, detail }) => `${pointer} ${detail}`) }
}

const patch = async (changes: Record<string, unknown>) =>
  (await callApi(worker, operator, 'PATCH', '/v1/clients/home', changes)).status

test('is off, and the refusal names it', async () => {
  const { status, faults } = await make()
  expect([status, faults]).toEqual([
    400,
    [
      '/redirect_uris/0 must use https: plain http in a private network needs the setting private_network_redirects',
    ],
  ])
})

describe('where it is on', () => {
  beforeEach(() => permit(true))

  test.each([
    HOME,
    'http://nas/cb',
    'http://printer.lan/cb',
    'http://hub.home.arpa/cb',
    'http://build.internal:8080/cb',
    'http://10.0.0.7/cb',
    'http://172.16.0.1/cb',
    'http://172.31.255.254/cb',
    'http://192.168.1.20:8123/cb',
    'http://169.254.10.1/cb',
    'http://[fd12:3456::1]:8123/cb',
    'http://[fc00::1]/cb',
    'http://[fe80::1]/cb',
    'http://[febf::1]/cb',
  ])('%s is taken, and its client gets a code there', async (uri) => {
    const { status, body } = await make({
      redirect_uris: [uri],
      post_logout_redirect_uris: [uri],
      first_party: true,
    })
    expect(status).toBe(201)
    const client_id = String(body['client_id'])
    const at = (redirect_uri: string) => browser.get(requestPath({ client_id, redirect_uri }))
    expect(answerOf(await at(uri), uri)).toHaveProperty('code')
    const { host } = new URL(uri)
    const port = uri.replace(host, `${host.replace(/:\d+$/, '')}:4000`)
    expect((await at(port)).status).toBe(400)
  })

  test.each([
    'http://app.example/cb',
    'http://local.example/cb',
    'http://notlocal/../cb',
    'http://lan.example/cb',
    'http://11.0.0.1/cb',
    'http://172.15.0.1/cb',
    'http://172.32.0.1/cb',
    'http://192.169.0.1/cb',
    'http://100.64.0.1/cb',
    'http://127.0.0.2/cb',
    'http://0.0.0.0/cb',
    'http://[2001:db8::1]/cb',
    'http://[fe00::1]/cb',
    'http://[fec0::1]/cb',
    'http://[fc::1]/cb',
    'http://[::ffff:192.168.1.1]/cb',
    'http://10.0.0.1.evil.example/cb',
    'http://homeassistant.local.evil.example/cb',
    'http://local./cb',
  ])('%s is refused', async (uri) => {
    const { status, faults } = await make({ redirect_uris: [CALLBACK, uri] })
    expect(status).toBe(400)
    expect(faults[0]).toMatch(/^\/redirect_uris\/1 /)
  })

  test('a public client gets none, and one that has one does not become public', async () => {
    const { status, faults } = await make({
      token_endpoint_auth_method: 'none',
      client_secret: undefined,
    })
    expect([status, faults]).toEqual([
      400,
      [
        '/redirect_uris/0 must use https: plain http in a private network is for clients that prove themselves',
      ],
    ])
    await createClient(worker.context(), ENTRY)
    expect(await patch({ token_endpoint_auth_method: 'none' })).toBe(400)
  })

  test('a client of the FAPI profile gets none', async () => {
    const { faults } = await make({
      ...fapiMembers(await makeSigner('ES256')),
      client_secret: undefined,
      redirect_uris: [HOME],
    })
    expect(faults).toEqual([expect.stringMatching(/^\/redirect_uris\/0 must be an https address/)])
  })

  test('software registers one', async () => {
    await setRegistration(worker, 'open')
    expect((await register(worker, { redirect_uris: [HOME] })).status).toBe(201)
    const open = { redirect_uris: [HOME], token_endpoint_auth_method: 'none' }
    expect((await register(worker, open)).body['error']).toBe('invalid_redirect_uri')
  })

  test('and off again, clients that have one go on and get no other', async () => {
    await createClient(worker.context(), { ...ENTRY, first_party: true })
    await permit(false)
    const page = await browser.get(requestPath({ client_id: 'home', redirect_uri: HOME }))
    expect(answerOf(page, HOME)).toHaveProperty('code')
    expect(await patch({ client_name: 'Home' })).toBe(200)
    expect(await patch({ redirect_uris: [HOME, 'http://nas/cb'] })).toBe(400)
    expect(await patch({ token_endpoint_auth_method: 'none' })).toBe(400)
    const entry = { ...ENTRY, first_party: true, client_name: 'Home' }
    expect(await applyBlueprint(worker.context(), { clients: [entry] }, {})).toEqual({
      changes: [],
      left: [],
    })
  })
})

test('a blueprint sets it and has a client that needs it, in one', async () => {
  const clients = [ENTRY]
  await expect(applyBlueprint(worker.context(), { clients }, {})).rejects.toMatchObject({
    faults: [{ path: 'clients[0].redirect_uris.0' }],
  })
  const settings = { private_network_redirects: true }
  expect(await applyBlueprint(worker.context(), { settings, clients }, {})).toEqual({
    changes: ['updated settings (private_network_redirects)', 'created client home'],
    left: [],
  })
  // The other way round: what the file takes back is not there for its clients.
  const later = {
    settings: { private_network_redirects: null },
    clients: [{ ...ENTRY, client_id: 'b' }],
  }
  await expect(applyBlueprint(worker.context(), later, {})).rejects.toMatchObject({
    faults: [{ path: 'clients[0].redirect_uris.0' }],
  })
})

test('without it a loopback address needs no https, as ever', async () => {
  await createClient(worker.context(), {
    ...APP,
    client_id: 'dev',
    redirect_uris: ['http://localhost:5173/cb'],
  })
})
