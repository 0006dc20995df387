// The client member `preset`: what it fills in, what contradicts it, and what is left when it goes.
import { beforeAll, describe, expect, test } from 'vitest'
import { OAuthError, Problem } from '../../../worker/errors.ts'
import { type Client, describeClient } from '../../../worker/oauth/clients/client_metadata.ts'
import {
  type ClientInput,
  changeClient,
  clientInput,
  createClient,
  findClientById,
  planClient,
} from '../../../worker/oauth/clients/clients.ts'
import { inVendorsWords } from '../../../worker/oauth/clients/presets.ts'
import { startWorker, type TestWorker } from '../../context.ts'
import { APP, CALLBACK } from '../flow.ts'
import { ALEXA, GOOGLE } from '../linking.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'
let worker: TestWorker
beforeAll(async () => {
  worker = await startWorker()
})

const create = async (input: ClientInput): Promise<Client> =>
  (await createClient(worker.context(), clientInput.parse(input))).client

/** The fields that are wrong. */
async function faultsOf(work: Promise<unknown>): Promise<Record<string, string>> {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  )
  if (!(error instanceof Problem)) throw new Error(`not refused but ${error}`)
  return Object.fromEntries(error.errors.map(({ pointer, detail }) => [pointer, detail]))
}

describe('a preset', () => {
  test.each([
    [
      GOOGLE,
      [
        'https://oauth-redirect.googleusercontent.com/r/lamps-12345',
        'https://oauth-redirect-sandbox.googleusercontent.com/r/lamps-12345',
      ],
    ],
    [
      ALEXA,
      [
        'https://pitangui.amazon.com/api/skill/link/M2AB3CD4EF5GH',
        'https://layla.amazon.com/api/skill/link/M2AB3CD4EF5GH',
        'https://alexa.amazon.co.jp/api/skill/link/M2AB3CD4EF5GH',
      ],
    ],
  ])('%j makes a client whole, and the API shows it so', async (preset, redirect_uris) => {
    const client = await create({ preset, scope: 'openid' })
    expect(describeClient(client)).toMatchObject({
      preset,
      redirect_uris,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['authorization_code', 'refresh_token'],
      access_token_format: 'opaque',
      access_token_ttl: 3600,
      require_pkce: false,
      application_type: 'web',
    })
  })

  test.each<[ClientInput, string]>([
    [{ redirect_uris: [CALLBACK] }, '/redirect_uris'],
    [
      { redirect_uris: ['https://oauth-redirect.googleusercontent.com/r/lamps-12345'] },
      '/redirect_uris',
    ],
    [{ token_endpoint_auth_method: 'none', require_pkce: true }, '/token_endpoint_auth_method'],
    [{ token_endpoint_auth_method: 'private_key_jwt' }, '/token_endpoint_auth_method'],
    [{ grant_types: ['authorization_code'] }, '/grant_types'],
    [
      { grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] },
      '/grant_types',
    ],
    [{ access_token_format: 'jwt' }, '/access_token_format'],
    [{ access_token_format: 'paseto' }, '/access_token_format'],
    [{ access_token_ttl: 300 }, '/access_token_ttl'],
    [{ scope: '' }, '/scope'],
    [{ scope: 'openid mqtt' }, '/scope'],
    [{ scope: 'openid users:read' }, '/scope'],
    [{ scope: 'manage' }, '/scope'],
    [{ application_type: 'native' }, '/application_type'],
    [{ first_party: true }, '/first_party'],
    [{ dpop_bound_access_tokens: true }, '/dpop_bound_access_tokens'],
    [
      { tls_client_certificate_bound_access_tokens: true },
      '/tls_client_certificate_bound_access_tokens',
    ],
    [{ require_pushed_authorization_requests: true }, '/require_pushed_authorization_requests'],
    [{ require_signed_request_object: true }, '/require_signed_request_object'],
    [{ authorization_signed_response_alg: 'ES256' }, '/authorization_signed_response_alg'],
    [{ authorization_details_types: ['device'] }, '/authorization_details_types'],
    [{ profile: 'fapi2' }, '/profile'],
  ])('with %j is refused, and it is said what contradicts it', async (members, pointer) => {
    const faults = await faultsOf(create({ scope: 'openid', preset: GOOGLE, ...members }))
    expect(faults[pointer]).toContain('google-home')
  })

  test.each([
    { name: 'google-home' },
    { name: 'google-home', project_id: 'Lamps' },
    { name: 'google-home', project_id: 'lamps-12345/../x' },
    { name: 'google-home', vendor_id: 'M2AB3CD4EF5GH' },
    { name: 'google-home', project_id: 'lamps-12345', vendor_id: 'M2AB3CD4EF5GH' },
    { name: 'alexa', vendor_id: 'm2ab3cd4ef5gh' },
    { name: 'alexa', vendor_id: 'M2AB/3CD4EF5GH' },
    { name: 'siri', project_id: 'lamps-12345' },
    'google-home',
  ])('that reads %j is refused', (preset) => {
    expect(clientInput.safeParse({ scope: 'openid', preset }).success).toBe(false)
  })

  test('leaves free what vendors leave free', async () => {
    const client = await create({
      preset: GOOGLE,
      scope: 'openid',
      token_endpoint_auth_method: 'client_secret_basic',
      require_pkce: true,
      access_token_ttl: 600,
    })
    const kept = {
      token_endpoint_auth_method: 'client_secret_basic',
      require_pkce: true,
      access_token_ttl: 600,
    }
    expect(client).toMatchObject(kept)
    // Another change does not bring the defaults back.
    const patch = { client_name: 'Assistant', preset: GOOGLE }
    expect(await changeClient(worker.context(), client.client_id, patch, null)).toMatchObject(kept)
  })

  test('turns a client that was there into one for linking, and another project moves it', async () => {
    const { client_id } = await create({
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code'],
      scope: 'openid',
    })
    const cx = worker.context()
    const changed = await changeClient(cx, client_id, { preset: GOOGLE }, null)
    expect(changed).toMatchObject({
      redirect_uris: [expect.stringContaining('/r/lamps-12345'), expect.anything()],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'client_secret_post',
      require_pkce: false,
      access_token_format: 'opaque',
    })
    const other = { name: 'google-home', project_id: 'lamps-67890' } as const
    const moved = await changeClient(worker.context(), client_id, { preset: other }, null)
    expect(moved.redirect_uris).toEqual([
      'https://oauth-redirect.googleusercontent.com/r/lamps-67890',
      'https://oauth-redirect-sandbox.googleusercontent.com/r/lamps-67890',
    ])
  })

  test('holds against later changes, and leaves the client as it is when it is taken away', async () => {
    const { client_id } = await create({ preset: ALEXA, scope: 'openid' })
    const change = (patch: Parameters<typeof changeClient>[2]) =>
      changeClient(worker.context(), client_id, patch, null)
    expect(Object.keys(await faultsOf(change({ redirect_uris: [CALLBACK] })))).toEqual([
      '/redirect_uris',
    ])
    expect(Object.keys(await faultsOf(change({ access_token_format: 'jwt' })))).toEqual([
      '/access_token_format',
    ])
    expect(await change({ access_token_ttl: null })).toMatchObject({ access_token_ttl: 3600 })
    const free = await change({ preset: null, redirect_uris: [CALLBACK] })
    expect(free).toMatchObject({ preset: null, redirect_uris: [CALLBACK], require_pkce: false })
  })

  test('in a blueprint changes nothing the second time', async () => {
    const cx = worker.context()
    const entry = clientInput.parse({
      client_id: 'assistant',
      client_secret: SECRET,
      preset: ALEXA,
      scope: 'openid email',
    })
    const first = await planClient(cx, entry, undefined)
    await cx.db.write(first.statements)
    const [row] = await cx.db.read(findClientById('assistant'))
    expect(await planClient(worker.context(), entry, row)).toMatchObject({ change: 'unchanged' })
  })

  test('of Google turns every refusal into one, and no fault of ours', () => {
    const told = (code: OAuthError['error'], preset: Client['preset']) => {
      const error = new OAuthError(code, { description: 'a word', reason: 'bug' })
      const { error: said, description, status } = inVendorsWords({ preset }, error)
      return [status, said, description]
    }
    for (const code of ['invalid_client', 'invalid_request', 'unauthorized_client'] as const) {
      expect(told(code, GOOGLE)).toEqual([400, 'invalid_grant', ''])
      expect(told(code, ALEXA)).toContain(code)
      expect(told(code, null)).toContain(code)
    }
    // It would give up a link that is good.
    expect(told('temporarily_unavailable', GOOGLE)).toContain('temporarily_unavailable')
    expect(told('server_error', GOOGLE)).toContain('server_error')
  })

  test('is nothing that other clients have: they keep to PKCE and to their one method', async () => {
    const client = await create({ ...APP, client_id: 'plain' })
    expect(client).toMatchObject({ preset: null, require_pkce: true, access_token_format: 'jwt' })
  })
})
