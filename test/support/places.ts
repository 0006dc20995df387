// Two homes below one region, with their owners, people and things; and the management API as each
// person reaches it, with a real token.
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { API_SCOPES } from '../../worker/api.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { addApp, signIn } from '../oauth/token_fixtures.ts'
import { callApi, newClientToken } from './operator.ts'

const RULE = {
  permission: 'allow',
  action: 'subscribe',
  topic: 'sites/${group.id}/devices/+/state',
} as const

export const OWNER_PERMISSIONS = [
  'devices:read',
  'devices:write',
  'access:read',
  'access:write',
  'users:read',
  'users:write',
  'events:read',
  'device:read',
  'device:command',
]

const person = (id: string, ...groups: string[]) => ({
  id,
  email: `${id}@example.com`,
  email_verified: true,
  groups,
})

/** The document of the two homes: `ann` owns site-1, `eve` owns site-2. */
export const HOMES = {
  roles: [
    { name: 'owner', permissions: OWNER_PERMISSIONS, acl: [RULE] },
    { name: 'resident', permissions: ['device:read', 'device:command'], acl: [RULE] },
    { name: 'guest', permissions: ['device:read'] },
    { name: 'technician', permissions: ['device:read', 'device:repair'] },
    { name: 'master', permissions: ['manage'] },
    { name: 'everything', acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
  ],
  groups: [
    { id: 'region', kind: 'region' },
    { id: 'site-1', kind: 'site', name: 'Home 1', parent_id: 'region' },
    { id: 'room-1', kind: 'room', name: 'Kitchen', parent_id: 'site-1' },
    { id: 'site-2', kind: 'site', name: 'Home 2', parent_id: 'region' },
    { id: 'room-2', kind: 'room', name: 'Hall', parent_id: 'site-2' },
  ],
  users: [
    person('ann', 'site-1'),
    person('bob', 'site-1'),
    person('eve', 'site-2'),
    person('tim', 'site-1', 'site-2'),
    person('boss'),
  ],
  device_types: [{ name: 'dimmer' }],
  devices: [
    { id: 'lamp-1', type: 'dimmer', groups: ['room-1'] },
    { id: 'lamp-2', type: 'dimmer', groups: ['room-2'] },
    { id: 'hub', type: 'dimmer', groups: ['site-1', 'site-2'] },
    { id: 'spare', type: 'dimmer' },
  ],
  grants: [
    { subject: 'ann', role: 'owner', object: 'site-1' },
    { subject: 'eve', role: 'owner', object: 'site-2' },
    { subject: 'bob', role: 'resident', object: 'site-1' },
    { subject: 'tim', role: 'resident', object: 'site-2' },
    { subject: 'boss', role: 'operator', object: '*' },
  ],
}

export const ALL_SCOPES = API_SCOPES.join(' ')

export type Call = (
  what: string,
  body?: unknown,
  headers?: HeadersInit,
) => ReturnType<typeof callApi>

/** `METHOD /path` with a token. */
const callWith =
  (worker: TestWorker, access_token: string): Call =>
  (what, body, headers = {}) => {
    const [method = '', path = ''] = what.split(' ')
    return callApi(worker, access_token, method, path, body, headers)
  }

/** The homes, an app with each scope of the API, and calls as people or as a client with `manage`. */
export async function startHomes(
  document: Record<string, unknown> = HOMES,
  env: Record<string, string> = {},
  started?: TestWorker,
) {
  const worker = started ?? (await startWorker(env))
  await applyBlueprint(worker.context(), document, {})
  await addApp(worker, { scope: `manage ${ALL_SCOPES} mqtt offline_access` })
  const ops = callWith(worker, await newClientToken(worker))
  const as = async (user_id: string, scope = ALL_SCOPES): Promise<Call> => {
    const { access_token } = await signIn(worker, { user_id, scope })
    return callWith(worker, access_token)
  }
  return { worker, ops, as }
}

export const idsOf = ({ body }: { body: { items?: unknown } }): string[] =>
  (body.items as { id: string }[]).map(({ id }) => id)
