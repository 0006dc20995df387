// A house for the tests of status lists: a person `ann` with the client `app`, a client `job` that
// acts for itself, the device `dim-1` in the group `hall` below the group `home`, and a way to get a
// token of each.
import { mintDeviceToken } from '../../worker/admin/minted_tokens.ts'
import { randomId } from '../../worker/crypto.ts'
import * as schema from '../../worker/db/schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import type { TestWorker } from '../context.ts'
import {
  addApp,
  addClient,
  addDevice,
  basic,
  MQTT,
  post,
  signIn,
  startIssuer,
  token,
  write,
} from '../oauth/token_fixtures.ts'
import { statusOf } from './status_reader.ts'

const ALLOW = { permission: 'allow', action: 'publish', topic: 'things/${device.id}/state' }

export async function addGroup(worker: TestWorker, id: string, parent_id: string | null = null) {
  const now = worker.clock.now
  await write(
    worker,
    insertInto(schema.principal, { id, kind: 'group', rid: 'fixture', created_at: now }),
    insertInto(schema.group, {
      id,
      kind: 'site',
      name: id,
      parent_id,
      created_at: now,
      updated_at: now,
      version: 1,
    }),
  )
}

export const addMember = (worker: TestWorker, group_id: string, member_id: string) =>
  write(
    worker,
    sql`insert into membership (group_id, member_id, created_at) values (${group_id}, ${member_id}, 1)`,
  )

export async function addRole(
  worker: TestWorker,
  name: string,
  acl: readonly object[],
  permissions: readonly string[] = [],
) {
  const now = worker.clock.now
  await write(
    worker,
    insertInto(schema.role, {
      name,
      description: '',
      permissions: JSON.stringify(permissions),
      acl: JSON.stringify(acl),
      builtin: 0,
      created_at: now,
      updated_at: now,
      version: 1,
    }),
  )
}

/** Gives a role on an object, and answers the id of the grant. */
export async function give(
  worker: TestWorker,
  subject_id: string,
  role: string,
  object_id: string,
  expires_at: number | null = null,
): Promise<string> {
  const now = worker.clock.now
  const id = randomId(worker.context(), 'grt')
  await write(
    worker,
    insertInto(schema.grant, {
      id,
      subject_id,
      role,
      object_id,
      expires_at,
      created_at: now,
      updated_at: now,
      version: 1,
    }),
  )
  return id
}

export async function startHouse() {
  const worker = await startIssuer()
  await addApp(worker)
  const secret = await addClient(worker, {
    client_id: 'job',
    grant_types: ['client_credentials'],
    scope: 'mqtt',
  })
  await addDevice(worker, 'dim-1', { secret: 'of-dim-1', acl: [ALLOW] })
  await addGroup(worker, 'home')
  await addGroup(worker, 'hall', 'home')
  await addMember(worker, 'hall', 'dim-1')
  const own = async (id: string, of: string) => {
    const { body } = await token(worker, { grant_type: 'client_credentials' }, basic(id, of))
    return body.access_token ?? ''
  }
  const tokens = {
    device: () => own('dim-1', 'of-dim-1'),
    client: () => own('job', secret),
    person: async () => (await signIn(worker, { scope: 'openid mqtt' })).access_token,
    minted: async () =>
      (await mintDeviceToken(worker.context(), 'dim-1', { expires_in: 3600 })).access_token,
  }
  const broker = await addClient(worker, {
    client_id: 'broker',
    grant_types: ['client_credentials'],
    scope: 'mqtt',
  })
  // No client can be registered as mProxy's audience, which needs no introspection.
  await write(worker, sql`update client set serves = ${JSON.stringify([MQTT])} where id = 'broker'`)
  const look = async (access_token: string) =>
    (await post(worker, '/oauth/introspect', { token: access_token }, basic('broker', broker))).body
  return { worker, tokens, look }
}

export type House = Awaited<ReturnType<typeof startHouse>>

export type Whose = keyof House['tokens']

/** One token of each, with a way to see what the lists say of all of them. */
export async function everyToken({ worker, tokens }: House) {
  const all = {
    device: await tokens.device(),
    client: await tokens.client(),
    person: await tokens.person(),
    minted: await tokens.minted(),
  }
  const seen = async () => ({
    device: await statusOf(worker, all.device),
    client: await statusOf(worker, all.client),
    person: await statusOf(worker, all.person),
    minted: await statusOf(worker, all.minted),
  })
  return { all, seen }
}
