// Every operation of /v1 that changes something, tried by a client that holds each scope of the
// management API but `manage`, on principals and settings with more power. The list is that of
// /openapi.json, so a new operation fails here until it is classified.
import { beforeAll, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { API_SCOPES } from '../../worker/api.ts'
import { sql } from '../../worker/db/sql.ts'
import { setIssuer } from '../../worker/devices/certificates/issuer.ts'
import { startSession } from '../../worker/identity/sessions.ts'
import { findUserById } from '../../worker/identity/store.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { makeAuthority, makeRequest } from '../support/certificates.ts'
import { callApi, clientToken, newClientToken } from '../support/operator.ts'

const { pem: AUTHORITY } = await makeAuthority()
const REQUEST = await makeRequest()

const SECRET = 'few-secret-of-at-least-32-characters-0001'
const SCOPE = API_SCOPES.join(' ')

type Ids = Record<
  | 'authority'
  | 'issuer'
  | 'batch'
  | 'grant'
  | 'secret'
  | 'credential'
  | 'token'
  | 'initial'
  | 'session'
  | 'invitation'
  | 'transfer',
  string
>
type Attempt = (ids: Ids) => [path: string, body?: unknown]

const KEYS = 'the keys of the issuer are no principal, and keys:write is about nothing else'

const TEXTS =
  'everybody can accept a text; that access ends without is a setting, which needs manage'
const MAILS = 'mails to an address stop or go on; nobody gets a mail of somebody else by it'

/** Attempts that are refused, or the reason for which the operation gives and takes no power. */
const OPERATIONS: Record<string, readonly Attempt[] | string> = {
  createUser: 'a new person holds nothing',
  updateUser: [
    () => ['/v1/users/boss', { email: 'few@example.com' }],
    () => ['/v1/users/boss', { email_verified: true }],
    () => ['/v1/users/boss', { status: 'disabled' }],
    () => ['/v1/users/boss', { status: 'closed' }],
    () => ['/v1/users/boss', { must_change_password: true }],
    () => ['/v1/users/below', { name: 'Few' }],
  ],
  deleteUser: [() => ['/v1/users/boss'], () => ['/v1/users/below']],
  resetUser: [() => ['/v1/users/boss/reset'], () => ['/v1/users/below/reset']],
  decideForUser: [
    () => [
      '/v1/users/boss/consents',
      { key: 'terms', version: '1', decision: 'accepted', by: 'Few' },
    ],
  ],
  createSignInLink: [() => ['/v1/users/boss/sign_in_link'], () => ['/v1/users/below/sign_in_link']],
  removeUserFactor: [
    () => [`/v1/users/boss/factors/fac_${'0'.repeat(26)}`],
    () => [`/v1/users/below/factors/fac_${'0'.repeat(26)}`],
  ],
  addUserLoginId: [
    () => ['/v1/users/boss/login_ids', { kind: 'email', value: 'few@example.com' }],
    () => ['/v1/users/below/login_ids', { kind: 'user_name', value: 'few' }],
  ],
  removeUserLoginId: [() => [`/v1/users/boss/login_ids/lid_${'0'.repeat(26)}`]],
  makeUserLoginIdPrimary: [() => [`/v1/users/boss/login_ids/lid_${'0'.repeat(26)}/primary`]],
  createInvitation: [
    () => [
      '/v1/invitations',
      { address: 'n@example.com', grants: [{ role: 'operator', object: '*' }] },
    ],
    () => ['/v1/invitations', { address: 'n@example.com', groups: ['bosses'] }],
  ],
  revokeInvitation: [({ invitation }) => [`/v1/invitations/${invitation}`]],
  offerTransfer: [
    () => ['/v1/groups/home/transfer', { to: 'few@example.com', role: 'reader' }],
    () => ['/v1/groups/home/transfer', { to: 'few@example.com', role: 'operator' }],
  ],
  withdrawTransfer: [() => ['/v1/groups/home/transfer']],
  createPlaceAccount: [
    () => ['/v1/groups/home/accounts', { user_name: 'kid', roles: [{ role: 'operator' }] }],
  ],
  renewPlaceAccount: [() => ['/v1/groups/home/accounts/boss/renew']],
  sendInvitation: [({ invitation }) => [`/v1/invitations/${invitation}/send`]],
  endUserSessions: [() => ['/v1/users/boss/sessions']],
  endUserSession: [({ session }) => [`/v1/users/boss/sessions/${session}`]],
  endUserAuthorizations: [() => ['/v1/users/boss/authorizations']],
  endUserAuthorization: [() => ['/v1/users/boss/authorizations/aut_1']],
  createDevice: [
    () => ['/v1/devices', { id: 'n', type: 'broad' }],
    () => ['/v1/devices', { id: 'n', type: 'plain', groups: ['bosses'] }],
  ],
  updateDevice: [
    () => ['/v1/devices/robot', { name: 'Mine' }],
    () => ['/v1/devices/low', { type: 'broad' }],
    () => ['/v1/devices/low', { groups: ['bosses'] }],
    () => ['/v1/devices/low', { metadata: { site: 'b' } }],
  ],
  deleteDevice: [() => ['/v1/devices/robot'], () => ['/v1/devices/hub']],
  createDeviceCredential: [
    () => ['/v1/devices/robot/credentials', { kind: 'secret' }],
    () => ['/v1/devices/hub/credentials', { kind: 'secret' }],
  ],
  importDevices: 'each row is compared as one device is: devices/device_import',
  createJob: 'each device is compared as one is: devices/jobs',
  cancelJob: 'it changes no device, and none of others is seen within a reach: devices/jobs',
  undoJob: 'each device is compared as one is: devices/jobs',
  releaseDevice: [() => ['/v1/devices/robot/release'], () => ['/v1/devices/hub/release']],
  createClaimCode: [
    () => ['/v1/devices/robot/claim-code', {}],
    () => ['/v1/devices/hub/claim-code', {}],
  ],
  withdrawClaimCode: [() => ['/v1/devices/robot/claim-code'], () => ['/v1/devices/hub/claim-code']],
  createClaimToken: [
    () => ['/v1/claim-tokens', { type: 'broad' }],
    () => ['/v1/claim-tokens', { type: 'plain', group: 'bosses' }],
  ],
  revokeClaimToken: [
    ({ batch }) => [`/v1/claim-tokens/${batch}/revoke`],
    ({ batch }) => [`/v1/claim-tokens/${batch}/revoke`, { devices: 'keep' }],
  ],
  revokeDeviceCredential: [({ credential }) => [`/v1/devices/robot/credentials/${credential}`]],
  rotateSelf: 'a device about itself, with the key that it has',
  reportSelf: 'a device about itself',
  reportMqtt: 'tells what mProxy saw, and gives nobody a right',
  rotateDevice: [
    () => ['/v1/devices/robot/rotate', { rotate_by: 4_000_000_000 }],
    () => ['/v1/devices/hub/rotate', { rotate_by: 4_000_000_000 }],
  ],
  createDeviceCa: [() => ['/v1/device-cas', { name: 'mine', certificate: AUTHORITY }]],
  updateDeviceCa: [
    ({ authority }) => [`/v1/device-cas/${authority}`, { enabled: false }],
    ({ authority }) => [`/v1/device-cas/${authority}`, { name: 'mine' }],
  ],
  deleteDeviceCa: [({ authority }) => [`/v1/device-cas/${authority}`]],
  setDeviceIssuer: [() => ['/v1/device-issuer', { name: 'mine' }]],
  removeDeviceIssuer: [() => ['/v1/device-issuer']],
  issueDeviceCertificate: [
    () => ['/v1/devices/robot/certificate', { csr: REQUEST }],
    () => ['/v1/devices/hub/certificate', { csr: REQUEST }],
  ],
  issueOwnCertificate: 'a device about itself, with the key that it has',
  rotateDeviceType: [() => ['/v1/device-types/plain/rotate', { rotate_by: 4_000_000_000 }]],
  mintDeviceToken: [
    () => ['/v1/devices/robot/tokens', { expires_in: 600 }],
    () => ['/v1/devices/hub/tokens', { expires_in: 600 }],
  ],
  revokeDeviceToken: [({ token }) => [`/v1/devices/robot/tokens/${token}`]],
  createDeviceType: [
    () => [
      '/v1/device-types',
      { name: 'n', acl: [{ permission: 'allow', action: 'all', topic: 'x' }] },
    ],
  ],
  updateDeviceType: [() => ['/v1/device-types/broad', { acl: [] }]],
  deleteDeviceType: [() => ['/v1/device-types/unused']],
  createGroup: [() => ['/v1/groups', { id: 'n', parent_id: 'bosses' }]],
  updateGroup: [
    () => ['/v1/groups/bosses', { name: 'Guests' }],
    () => ['/v1/groups/bosses', { parent_id: 'team' }],
    () => ['/v1/groups/team', { parent_id: 'bosses' }],
  ],
  deleteGroup: [() => ['/v1/groups/empty']],
  addGroupMember: [() => ['/v1/groups/bosses/members', { id: 'few' }]],
  removeGroupMember: [() => ['/v1/groups/staff/members/below']],
  createRole: [() => ['/v1/roles', { name: 'n', permissions: ['manage'] }]],
  updateRole: [() => ['/v1/roles/master', { permissions: [] }]],
  deleteRole: [() => ['/v1/roles/master']],
  createGrant: [() => ['/v1/grants', { subject: 'few', role: 'operator', object: '*' }]],
  updateGrant: [({ grant }) => [`/v1/grants/${grant}`, { expires_at: 1_900_000_000 }]],
  deleteGrant: [({ grant }) => [`/v1/grants/${grant}`]],
  createClient: [
    () => ['/v1/clients', { grant_types: ['client_credentials'], scope: 'manage' }],
    () => ['/v1/clients', { redirect_uris: ['https://a.example/cb'], first_party: true }],
  ],
  updateClient: [
    () => ['/v1/clients/ops', { client_name: 'Few' }],
    () => ['/v1/clients/house', { redirect_uris: ['https://few.example/cb'] }],
    () => ['/v1/clients/small', { scope: 'manage' }],
    () => ['/v1/clients/small', { first_party: true }],
    () => ['/v1/clients/granted', { client_name: 'Few' }],
  ],
  deleteClient: [() => ['/v1/clients/ops'], () => ['/v1/clients/granted']],
  createClientSecret: [() => ['/v1/clients/ops/secrets', {}]],
  deleteClientSecret: [({ secret }) => [`/v1/clients/ops/secrets/${secret}`]],
  createInitialAccessToken: [() => ['/v1/initial-access-tokens', { scope: 'openid manage' }]],
  deleteInitialAccessToken: [({ initial }) => [`/v1/initial-access-tokens/${initial}`]],
  createConsent: TEXTS,
  updateConsent: TEXTS,
  addConsentVersion: TEXTS,
  updateConsentVersion: TEXTS,
  askConsentAgain: TEXTS,
  updateSettings: [() => ['/v1/settings', { registration: 'open' }]],
  putMessage: [
    () => ['/v1/messages/en/consent.allow', { text: 'Go on' }],
    () => ['/v1/messages/de/scope.manage', { text: 'nichts' }],
  ],
  deleteMessage: [() => ['/v1/messages/en/device.warning']],
  reportMail: MAILS,
  clearUndeliverable: MAILS,
  rotateKey: KEYS,
  revokeKey: KEYS,
  resealSecrets: KEYS,
}

let worker: TestWorker
let ids: Ids
let few: string
let operations: [id: string, method: string][]

beforeAll(async () => {
  worker = await startWorker()
  const client = (client_id: string, scope: string) => ({
    client_id,
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    scope,
  })
  const site = [{ permission: 'allow', action: 'all', topic: 'sites/${device.metadata.site}/#' }]
  const all = [{ permission: 'allow', action: 'all', topic: '#' }]
  await applyBlueprint(
    worker.context(),
    {
      groups: [
        { id: 'bosses' },
        { id: 'staff', parent_id: 'bosses' },
        { id: 'empty', parent_id: 'bosses' },
        { id: 'team' },
        { id: 'home', kind: 'site' },
      ],
      roles: [
        { name: 'master', permissions: ['manage'] },
        { name: 'reader', acl: site },
      ],
      users: [
        { id: 'boss', email: 'boss@example.com', password: 'a password of fifteen' },
        { id: 'below', email: 'below@example.com', groups: ['staff'] },
        { id: 'bob', email: 'bob@example.com' },
      ],
      device_types: [{ name: 'plain' }, { name: 'broad', acl: all }, { name: 'unused', acl: all }],
      devices: [
        { id: 'robot', type: 'plain' },
        { id: 'hub', type: 'broad' },
        { id: 'low', type: 'plain', groups: ['home'] },
      ],
      clients: [
        client('few', SCOPE),
        client('ops', 'manage'),
        client('small', 'openid'),
        client('granted', 'openid'),
        {
          client_id: 'house',
          client_secret: SECRET,
          redirect_uris: ['https://h.example/cb'],
          first_party: true,
        },
      ],
      grants: [
        ...['boss', 'bosses', 'robot', 'granted'].map((subject) => ({
          subject,
          role: 'operator',
          object: '*',
        })),
        { subject: 'bob', role: 'reader', object: 'home' },
      ],
    },
    {},
  )
  few = await clientToken(worker, 'few', SECRET, SCOPE)
  const manage = await newClientToken(worker)
  const made = async (path: string, body: unknown) =>
    String((await callApi(worker, manage, 'POST', path, body)).body['id'])
  const cx = worker.context()
  const [boss] = await cx.db.read(findUserById('boss'))
  const session = startSession(cx, {
    user_id: 'boss',
    password: boss?.password ?? null,
    amr: ['pwd'],
    user_agent: '',
    replaces: undefined,
    browsers: [],
  })
  await cx.db.write(session.statements)
  await cx.db.write(sql`insert into place_account (user_id, group_id, created_at)
    values ('boss', 'home', 1)`)
  const [row] = await cx.db.read(sql<{ grant: string; session: string }>`
    select (select id from "grant" where subject_id = 'boss') as "grant",
      (select id_hash from session) as session`)
  ids = {
    grant: row?.grant ?? '',
    session: row?.session ?? '',
    issuer: (await setIssuer(worker.context(), { name: 'Lamps' })).thumbprint,
    authority: await made('/v1/device-cas', { name: 'works', certificate: AUTHORITY }),
    batch: await made('/v1/claim-tokens', { type: 'broad', group: 'bosses' }),
    secret: await made('/v1/clients/ops/secrets', {}),
    credential: await made('/v1/devices/robot/credentials', { kind: 'secret' }),
    token: await made('/v1/devices/robot/tokens', { expires_in: 600 }),
    transfer: await made('/v1/groups/home/transfer', { to: 'boss', role: 'reader' }),
    invitation: await made('/v1/invitations', {
      address: 'boss@example.com',
      groups: ['bosses'],
    }),
    initial: await made('/v1/initial-access-tokens', { scope: 'openid manage' }),
  }
  const { paths } = (await (await worker.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { operationId }]) =>
      path.startsWith('/v1/') && method !== 'get'
        ? [[operationId, method.toUpperCase()] as [string, string]]
        : [],
    ),
  )
})

test('every operation that changes something is classified', () => {
  expect(operations.map(([id]) => id).sort()).toEqual(Object.keys(OPERATIONS).sort())
})

test.each(Object.entries(OPERATIONS).filter(([, attempts]) => typeof attempts !== 'string'))(
  '%s gives and takes nothing that the actor does not hold, and nothing is changed',
  async (id, attempts) => {
    const cx = worker.context()
    // Refusals are events too, and change nothing.
    const events = () =>
      cx.db.read(sql<{ id: string }>`select id from event where type <> 'escalation.refused'
        order by id`)
    const before = await events()
    const method = operations.find(([one]) => one === id)?.[1] ?? ''
    for (const attempt of typeof attempts === 'string' ? [] : attempts) {
      const [path, body] = attempt(ids)
      const answer = await callApi(worker, few, method, path, body)
      const tried = `${method} ${path} ${JSON.stringify(body)}`
      expect([tried, answer.status, answer.body]).toEqual([tried, 403, answer.body])
      expect(answer.body['errors'], tried).not.toEqual([])
      expect(answer.body['errors'], tried).toBeDefined()
    }
    expect(await events()).toEqual(before)
  },
)
