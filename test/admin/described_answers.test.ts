// Each operation of /openapi.json is asked in every wrong way: the status that comes is one that it
// declares, and a refusal has the declared form. So an SDK that is made from the description knows
// all that it can get.
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { setIssuer } from '../../worker/devices/certificates/issuer.ts'
import { keepReport } from '../../worker/devices/self/report.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { makeAuthority, makePair, makeRequest } from '../support/certificates.ts'

const { pem: AUTHORITY } = await makeAuthority()
const PAIR = await makePair()
const REQUEST = await makeRequest(PAIR)

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

type Operation = {
  method: string
  path: string
  operationId: string
  security: { oauth2: string[] }[]
  parameters?: { in: string; name: string }[]
  requestBody?: { required?: boolean; content: Record<string, unknown> }
  responses: Record<string, { content?: Record<string, unknown> }>
}

/**
 * A resource that is there, by the part of the path behind /v1; `grants` and tokens are made at the
 * start.
 */
const THERE: Record<string, Record<string, string>> = {
  users: {
    id: 'ann',
    session_id: 'A'.repeat(43),
    authorization_id: 'aut_1',
    factor_id: `fac_${'0'.repeat(26)}`,
  },
  v1: { id: 'ann' }, // of /access/v1
  groups: { id: 'site-1', member_id: 'ann', user_id: 'ann' },
  roles: { name: 'resident' },
  grants: {},
  devices: { id: 'meter-1', credential_id: 'crd_1', token_id: 'tok_1' },
  'device-types': { name: 'meter' },
  self: {},
  clients: { id: 'app', secret_id: 'sec_1' },
  'initial-access-tokens': {},
  keys: { alg: 'ES256' },
  consents: { key: 'terms', version: '1' },
  messages: { locale: 'pl', key: 'sign_in.title' },
  invitations: {},
  'claim-tokens': {},
  'device-cas': {},
  'device-issuer': {},
  jobs: {},
  outbox: {},
}

const TERMS = { version: '1', texts: { en: { title: 'Terms', text: 'All of it.' } } }

/** Bodies that are taken; the others are merge patches, for which an empty one is. */
const BODIES: Record<string, object> = {
  createInvitation: { address: 'ann@example.com' },
  createPlaceAccount: { user_name: 'kid' },
  offerTransfer: { to: 'ann@example.com', role: 'resident' },
  createUser: { email: 'bob@example.com' },
  addUserLoginId: { kind: 'user_name', value: 'liz' },
  createGroup: { id: 'site-2' },
  addGroupMember: { id: 'ann' },
  createRole: { name: 'guest' },
  putMessage: { text: 'Witaj' },
  createGrant: { subject: 'ann', role: 'resident', object: 'site-1' },
  createDevice: { type: 'meter' },
  createDeviceCredential: { kind: 'secret' },
  createDeviceType: { name: 'lamp' },
  setDeviceIssuer: { name: 'Lamps' },
  issueDeviceCertificate: { csr: REQUEST },
  issueOwnCertificate: { csr: REQUEST },
  createClaimToken: { type: 'meter' },
  createDeviceCa: { name: 'other works', certificate: AUTHORITY },
  createJob: { filter: { tag: 'none' }, change: { action: 'suspend' } },
  reportMail: { address: 'bob@example.com', reason: 'bounce' },
  mintDeviceToken: { expires_in: 600 },
  rotateDevice: { rotate_by: 4_000_000_000 },
  rotateDeviceType: { rotate_by: 4_000_000_000 },
  reportSelf: { firmware: '1.0' },
  reportMqtt: {
    ...{ proxy: 'door', epoch: 'epoch-of-the-door', seq: 1, started_at: 1, sessions: 0 },
    ...{ key_age: null, list_age: null, entries: [] },
  },
  createClient: { grant_types: ['client_credentials'], scope: 'manage' },
  decideForUser: { key: 'rules', version: '1', decision: 'accepted', by: 'Maria Example' },
  createConsent: { key: 'privacy', required: true, versions: [TERMS] },
  addConsentVersion: { ...TERMS, version: '2' },
  evaluateAccess: {
    subject: { type: 'user', id: 'ann' },
    action: { name: 'device:read' },
    resource: { type: 'device', id: 'meter-1' },
  },
  searchSubjects: {
    subject: { type: 'user' },
    action: { name: 'device:read' },
    resource: { type: 'device', id: 'meter-1' },
  },
  searchResources: {
    subject: { type: 'user', id: 'ann' },
    action: { name: 'device:read' },
    resource: { type: 'device' },
  },
  previewAccess: { add_member: { group: 'site-1', member: 'ann' } },
  explainAccess: {
    subject: { type: 'user', id: 'ann' },
    action: { name: 'device:read' },
    resource: { type: 'device', id: 'meter-1' },
  },
  searchActions: {
    subject: { type: 'user', id: 'ann' },
    resource: { type: 'device', id: 'meter-1' },
  },
}

let worker: TestWorker
let operations: Operation[]
let manage: string
let ofDevice: string
let readerOfKeys: string
let readerOfEvents: string

beforeAll(async () => {
  worker = await startWorker()
  await setIssuer(worker.context(), { name: 'Lamps' })
  const first = await generateKeyPair('ES256')
  const client = { client_secret: SECRET, grant_types: ['client_credentials'] }
  await applyBlueprint(
    worker.context(),
    {
      clients: [
        { client_id: 'ops', scope: 'manage', ...client },
        { client_id: 'poor', scope: 'keys:read events:read', ...client },
        { client_id: 'app', ...client },
      ],
      settings: { self_consent_age: { default: 16, countries: {} }, sign_up: 'by_invitation' },
      // Too young to decide about texts alone.
      users: [{ id: 'ann', email: 'ann@example.com', profile: { birthdate: '2020-01-01' } }],
      groups: [{ id: 'site-1', kind: 'site' }],
      roles: [{ name: 'resident', permissions: ['device:read'] }],
      device_types: [{ name: 'meter' }, { name: 'box', claim: 'once' }],
      devices: [
        { id: 'meter-1', type: 'meter' },
        { id: 'meter-2', type: 'meter' },
        { id: 'box-1', type: 'box', status: 'unclaimed' },
        {
          id: 'meter-3',
          type: 'meter',
          credentials: [
            { kind: 'secret', secret: SECRET },
            { kind: 'jwk', jwk: await exportJWK(first.publicKey) },
          ],
        },
      ],
      consents: [
        { key: 'terms', required: true, versions: [TERMS] },
        { key: 'rules', required: false, versions: [TERMS] },
      ],
    },
    {},
  )
  manage = await tokenOf('ops', 'manage')
  ofDevice = await tokenOf('meter-3', 'self')
  await keepReport(worker.context(), 'meter-1', { firmware: '1.0' })
  const prove = async (path: string, key: JWK) =>
    new SignJWT({ jkt: await calculateJwkThumbprint(key) })
      .setProtectedHeader({ alg: 'ES256', typ: 'device-rotation+jwt' })
      .setIssuer('meter-3')
      .setSubject('meter-3')
      .setAudience(`${worker.config.issuer}${path}`)
      .setExpirationTime(worker.clock.now + 200)
      .sign(first.privateKey)
  const jwk = await exportJWK((await generateKeyPair('ES256')).publicKey)
  const proof = await prove('/v1/self/rotate', jwk)
  BODIES['rotateSelf'] = { credential: { kind: 'jwk', jwk }, proof }
  const ofRequest = await exportJWK(PAIR.keys.publicKey)
  BODIES['issueOwnCertificate'] = {
    csr: REQUEST,
    proof: await prove('/v1/self/certificate', ofRequest),
  }
  readerOfKeys = await tokenOf('poor', 'keys:read')
  readerOfEvents = await tokenOf('poor', 'events:read')
  const document = (await (await worker.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>
  }
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
    })),
  )
  for (const [path, body] of [
    ['grants', { subject: 'ann', role: 'resident', object: 'meter-1' }],
    ['initial-access-tokens', {}],
    ['invitations', { address: 'ann@example.com' }],
    ['claim-tokens', { type: 'meter' }],
    ['device-cas', { name: 'works', certificate: AUTHORITY }],
    ['jobs', { filter: { tag: 'none' }, change: { action: 'suspend' } }],
    ['devices/box-1/claim-code', {}],
  ] as const) {
    const made = await send({ method: 'POST', url: `/v1/${path}`, body: JSON.stringify(body) })
    expect(made.status, path).toBe(path === 'jobs' ? 202 : 201)
    THERE[path] = { id: ((await made.json()) as { id: string }).id }
  }
  const account = await send({
    method: 'POST',
    url: '/v1/groups/site-1/accounts',
    body: '{"user_name":"kid"}',
  })
  const { user_id } = (await account.json()) as { user_id: string }
  THERE['groups'] = { ...THERE['groups'], user_id }
  const listed = await send({ method: 'GET', url: '/v1/users/ann/login_ids' })
  const { items } = (await listed.json()) as { items: { id: string }[] }
  THERE['users'] = { ...THERE['users'], login_id: items[0]?.id ?? '' }
  const url = '/v1/users/ann/reset'
  const mailed = await send({ method: 'POST', url, body: '{"send":true}' })
  const { mail_id } = (await mailed.json()) as { mail_id: string }
  THERE['outbox'] = { id: mail_id, address: 'ann@example.com' }
})

async function tokenOf(client_id: string, scope: string): Promise<string> {
  const answer = await worker.request('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    headers: { authorization: `Basic ${btoa(`${client_id}:${SECRET}`)}` },
  })
  return ((await answer.json()) as { access_token: string }).access_token
}

type Sent = {
  method: string
  url: string
  body?: string | undefined
  token?: string | null
  type?: string
  headers?: Record<string, string>
}

async function send({ method, url, body, token = manage, type, headers }: Sent): Promise<Response> {
  return worker.request(url, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
}

const namesIn = ({ path }: Operation): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)

/** The address of something that is there, but for the values that are said. */
const urlOf = ({ path, operationId }: Operation, values: Record<string, string> = {}): string => {
  // It would end what the others look at.
  const isRelease = operationId === 'releaseDevice'
  const other = isRelease ? 'meter-2' : path.endsWith('/claim-code') ? 'box-1' : null
  const there = other === null ? (THERE[path.split('/')[2] ?? ''] ?? {}) : { id: other }
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? there[name] ?? 'none')
}

const bodyOf = ({ operationId, requestBody }: Operation): string | undefined =>
  requestBody === undefined ? undefined : JSON.stringify(BODIES[operationId] ?? {})

const queryOf = ({ parameters = [] }: Operation): string[] =>
  parameters.flatMap((one) => (one.in === 'query' ? [one.name] : []))

/**
 * Sends it, and holds the answer against what the operation declares. Answers the status and the
 * named places.
 */
async function answerOf(
  operation: Operation,
  { url = urlOf(operation), ...more }: Partial<Sent> = {},
): Promise<{ status: number; pointers: string[] }> {
  const { method, responses } = operation
  const token = operation.security[0]?.oauth2[0] === 'self' ? ofDevice : manage
  const answer = await send({ method, url, body: bodyOf(operation), token, ...more })
  const { status } = answer
  const what = `${method} ${url.slice(0, 200)} ${status}`
  const text = await answer.text()
  expect(Object.keys(responses), what).toContain(String(status))
  const declared = Object.keys(responses[status]?.content ?? {})
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? ''
  expect(text === '' ? [] : [type], what).toEqual(declared)
  if (status < 400) return { status, pointers: [] }
  expect(declared, what).toEqual(['application/problem+json'])
  const { errors = [], ...problem } = JSON.parse(text) as {
    errors?: { pointer: string; detail: string }[]
  }
  expect(problem, what).toEqual({
    type: expect.stringMatching(/^urn:allauth:problem:[a-z_]+$/),
    title: expect.any(String),
    status,
    detail: expect.any(String),
  })
  for (const error of errors) {
    expect(error, what).toEqual({ pointer: expect.any(String), detail: expect.any(String) })
  }
  return { status, pointers: errors.map(({ pointer }) => pointer) }
}

/** Each operation that `takes`, with a way to look at it; answers how many there were. */
async function each(
  takes: (operation: Operation) => boolean,
  look: (operation: Operation, what: string) => Promise<void>,
): Promise<void> {
  const matching = operations.filter(takes)
  for (const operation of matching) await look(operation, operation.operationId)
  console.log(`${matching.length} of ${operations.length} operations`)
  expect(matching.length).toBeGreaterThan(8)
}

/** Others read their body piece by piece, and have tests of their own. */
const hasBody = ({ requestBody }: Operation) =>
  requestBody?.content['application/json'] !== undefined
const isAuthzen = ({ path }: Operation) => path.startsWith('/access/v1/')

test('a malformed id and an unknown one are not found', async () => {
  const malformed = ['%ff', 'a%20b', '..%2f', '%F0%9F%92%A9', 'x'.repeat(4000)]
  await each(
    ({ path }) => path.includes('{'),
    async (operation, what) => {
      for (const name of namesIn(operation)) {
        for (const id of [...malformed, ...(name === 'alg' ? [] : ['unknown'])]) {
          const { status } = await answerOf(operation, { url: urlOf(operation, { [name]: id }) })
          expect(status, `${what} ${name} ${id.slice(0, 20)}`).toBe(404)
        }
      }
    },
  )
})

test('a body that is malformed, of another type or too large is refused', async () => {
  await each(hasBody, async (operation, what) => {
    // A body that may be left out may be empty.
    const isNeeded = operation.requestBody?.required !== false
    for (const body of ['{', ...(isNeeded ? [''] : []), 'null', '[]', '"x"']) {
      expect((await answerOf(operation, { body })).status, `${what} ${body}`).toBe(400)
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      expect((await answerOf(operation, { type })).status, `${what} ${type}`).toBe(415)
    }
  })
  await each(
    (operation) =>
      operation.method !== 'GET' && (operation.requestBody === undefined || hasBody(operation)),
    async (operation, what) => {
      const body = `{"x":"${'a'.repeat(1_100_000)}"}`
      expect((await answerOf(operation, { body })).status, what).toBe(413)
    },
  )
})

test('a member of the body that is unknown is refused', async () => {
  await each(
    (operation) => hasBody(operation) && !isAuthzen(operation),
    async (operation, what) => {
      const body = JSON.stringify({ ...JSON.parse(bodyOf(operation) ?? ''), surprise: 1 })
      expect((await answerOf(operation, { body })).status, what).toBe(400)
    },
  )
})

test('a query parameter that is unknown, or comes twice, is refused by its name', async () => {
  await each(
    () => true,
    async (operation, what) => {
      for (const query of ['surprise=1', 'surprise', 'surprise=&surprise=', 'sur%70rise=%ff']) {
        const { status, pointers } = await answerOf(operation, {
          url: `${urlOf(operation)}?${query}`,
        })
        expect([status, ...pointers], `${what} ${query}`).toEqual([400, '/surprise'])
      }
      for (const name of ['__proto__', 'constructor', 'LIMIT', 'limit[]']) {
        const url = `${urlOf(operation)}?${encodeURIComponent(name)}=1`
        const { status, pointers } = await answerOf(operation, { url })
        expect([status, ...pointers], `${what} ${name}`).toEqual([400, `/${name}`])
      }
      for (const name of queryOf(operation)) {
        const url = `${urlOf(operation)}?${name}=1&${name}=1`
        const { status, pointers } = await answerOf(operation, { url })
        expect([status, ...pointers], `${what} ${name}`).toEqual([400, `/${name}`])
      }
    },
  )
})

test('a forged cursor and a limit out of range are refused', async () => {
  await each(
    (operation) => queryOf(operation).includes('cursor'),
    async (operation, what) => {
      for (const query of [
        ...['cursor=forged', 'cursor=YQ.YQ', 'cursor=', `cursor=${'x'.repeat(501)}`],
        ...['limit=0', 'limit=201', 'limit=-1', 'limit=x', 'limit=1.5', 'limit=1e9'],
      ]) {
        const { status } = await answerOf(operation, { url: `${urlOf(operation)}?${query}` })
        expect(status, `${what} ${query}`).toBe(400)
      }
    },
  )
})

test('without a token, or with one without the scope, nothing is answered', async () => {
  await each(
    () => true,
    async (operation, what) => {
      const scope = operation.security[0]?.oauth2[0]
      const token = scope === 'keys:read' ? readerOfEvents : readerOfKeys
      expect((await answerOf(operation, { token: null })).status, what).toBe(401)
      expect((await answerOf(operation, { token: 'forged' })).status, what).toBe(401)
      expect((await answerOf(operation, { token })).status, what).toBe(403)
    },
  )
})

test('where a version can be demanded, one that cannot be read is refused', async () => {
  await each(
    ({ responses }) => responses['412'] !== undefined,
    async (operation, what) => {
      const headers = { 'if-match': 'nonsense' }
      expect((await answerOf(operation, { headers })).status, what).toBe(412)
    },
  )
})

test('an Idempotency-Key that cannot be one, or came with another body, is refused', async () => {
  await each(
    (operation) =>
      operation.method === 'POST' &&
      !isAuthzen(operation) &&
      (operation.requestBody === undefined || hasBody(operation)),
    async (operation, what) => {
      const tooLong = { 'idempotency-key': 'k'.repeat(256) }
      expect((await answerOf(operation, { headers: tooLong })).status, what).toBe(400)
      const headers = { 'idempotency-key': 'k' }
      const first = await answerOf(operation, { headers })
      expect(first.status, what).toBeLessThan(300)
      const other = await answerOf(operation, { headers, body: '{"other":1}' })
      expect(other.status, what).toBe(422)
    },
  )
})

test('what is there is read as it is declared', async () => {
  await each(
    ({ method }) => method === 'GET',
    async (operation, what) => {
      expect((await answerOf(operation)).status, what).toBe(200)
    },
  )
})
