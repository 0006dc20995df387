// A power that ends is not made to last by its holder: an operator until this evening gives nobody, and
// nothing, more than that. An operator for good may do each of the same things.
import { describe, expect, test } from 'vitest'
import { changeGrant, createGrant } from '../../worker/access/grants.ts'
import { addMember } from '../../worker/access/group_members.ts'
import { createRole } from '../../worker/access/roles.ts'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { mintDeviceToken } from '../../worker/admin/minted_tokens.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { createCredential } from '../../worker/devices/credentials.ts'
import { createDevice } from '../../worker/devices/devices.ts'
import { changeUser, createUser } from '../../worker/identity/users.ts'
import { createClientSecret } from '../../worker/oauth/clients/client_secrets.ts'
import { changeClient, createClient } from '../../worker/oauth/clients/clients.ts'
import { createInitialAccessToken } from '../../worker/oauth/registration/initial_access_tokens.ts'
import { startWorker } from '../context.ts'
import { EPOCH } from '../support/environment.ts'
import { overtakenOnce } from '../support/repeated_writes.ts'
import { actor } from './fixture.ts'

const ownGrant = sql<{ id: string }>`select id from "grant" where subject_id = 'eve'`
const EVENING = EPOCH + 4 * 3600
const SECRET = 'few-secret-of-at-least-32-characters-0001'

/** eve is an operator until this evening, boss for good, night by a group that is for good. */
async function startShift() {
  const worker = await startWorker()
  await applyBlueprint(
    worker.context(),
    {
      groups: [{ id: 'bosses' }, { id: 'below', parent_id: 'bosses' }],
      users: ['eve', 'boss', 'bob', 'night'].map((id) => ({
        id,
        email: `${id}@example.com`,
        password: 'a password of fifteen characters',
        groups: id === 'night' ? ['below'] : [],
      })),
      device_types: [
        { name: 'meter' },
        { name: 'hub', acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
      ],
      devices: [
        { id: 'meter-1', type: 'meter' },
        { id: 'hub-1', type: 'hub' },
      ],
      clients: [
        {
          client_id: 'ops',
          client_secret: SECRET,
          grant_types: ['client_credentials'],
          scope: 'manage',
        },
        {
          client_id: 'house',
          token_endpoint_auth_method: 'none',
          redirect_uris: ['https://house.example/cb'],
          first_party: true,
        },
      ],
      grants: [
        { subject: 'eve', role: 'operator', object: '*', expires_at: EVENING },
        { subject: 'boss', role: 'operator', object: '*' },
        { subject: 'bosses', role: 'operator', object: '*' },
      ],
    },
    {},
  )
  const by = (id: string) => worker.context(actor('user', id, 'manage'))
  const own = async () => {
    const [row] = await by('eve').db.read(ownGrant)
    return row?.id ?? ''
  }
  return { worker, by, own }
}

type Shift = Awaited<ReturnType<typeof startShift>>

const LASTING: [string, (cx: Context, shift: Shift) => Promise<unknown>][] = [
  [
    'her own grant without an end',
    async (cx, { own }) => changeGrant(cx, await own(), { expires_at: null }, null),
  ],
  [
    'her own grant for longer',
    async (cx, { own }) => changeGrant(cx, await own(), { expires_at: EVENING + 1 }, null),
  ],
  [
    'a second grant of her own',
    (cx) => createGrant(cx, { subject: 'eve', role: 'operator', object: '*' }),
  ],
  [
    'a grant for another',
    (cx) => createGrant(cx, { subject: 'bob', role: 'operator', object: 'meter-1' }),
  ],
  [
    'a grant that begins when hers ends',
    (cx) =>
      createGrant(cx, {
        subject: 'bob',
        role: 'operator',
        object: '*',
        not_before: EVENING,
        expires_at: EVENING + 1,
      }),
  ],
  ['a member of a group of operators', (cx) => addMember(cx, 'below', 'eve')],
  ['a role', (cx) => createRole(cx, { name: 'new', permissions: ['users:write'] })],
  [
    'a client with scopes',
    (cx) =>
      createClient(cx, {
        client_id: 'new',
        grant_types: ['client_credentials'],
        scope: 'users:write',
      }),
  ],
  ['more scopes for a client', (cx) => changeClient(cx, 'house', { scope: 'openid manage' }, null)],
  [
    'a client that skips consent',
    (cx) =>
      createClient(cx, {
        client_id: 'new',
        redirect_uris: ['https://a.example/cb'],
        first_party: true,
      }),
  ],
  [
    'an address of a client that skips consent',
    (cx) => changeClient(cx, 'house', { redirect_uris: ['https://eve.example/cb'] }, null),
  ],
  ['a secret of a client that may all', (cx) => createClientSecret(cx, 'ops', {})],
  [
    'an initial access token',
    (cx) => createInitialAccessToken(cx, { scope: 'openid users:write' }),
  ],
  [
    'a device token beyond her time',
    (cx) => mintDeviceToken(cx, 'meter-1', { expires_in: 4 * 3600 + 1 }),
  ],
  [
    'a credential of a device of a broad type',
    (cx) => createCredential(cx, 'hub-1', { kind: 'secret' }),
  ],
  ['a device of a broad type', (cx) => createDevice(cx, { id: 'hub-2', type: 'hub' })],
  [
    'a trusted issuer',
    (cx) =>
      changeSettings(cx, {
        trusted_issuers: [
          { issuer: 'https://eve.example', jwks_uri: 'https://eve.example/jwks', subject: 'sub' },
        ],
      }),
  ],
  [
    'the address of an operator for good',
    (cx) => changeUser(cx, 'boss', { email: 'eve+boss@example.com' }, null),
  ],
  [
    'the address of one by a group above',
    (cx) => changeUser(cx, 'night', { email: 'eve+night@example.com' }, null),
  ],
]

describe('an operator until this evening', () => {
  test.each(LASTING)('is refused %s, which an operator for good may do', async (_, attempt) => {
    const shift = await startShift()
    await expect(attempt(shift.by('eve'), shift)).rejects.toMatchObject({
      type: 'forbidden',
      reason: 'power_not_held',
    })
    await attempt(shift.by('boss'), shift)
  })

  test('may do until then what lasts no longer, and what is no power', async () => {
    const { by, worker } = await startShift()
    const eve = by('eve')
    const until = { expires_at: EVENING }
    await createGrant(eve, { subject: 'bob', role: 'operator', object: '*', ...until })
    await mintDeviceToken(eve, 'meter-1', { expires_in: 4 * 3600 })
    await createCredential(eve, 'meter-1', { kind: 'secret' })
    await createDevice(eve, { id: 'meter-2', type: 'meter' })
    await createClient(eve, { client_id: 'new', redirect_uris: ['https://a.example/cb'] })
    await createInitialAccessToken(eve, {})
    await createUser(eve, { email: 'cat@example.com' })
    await changeUser(eve, 'eve', { name: 'Eve' }, null)
    await changeSettings(eve, { service_name: 'Home' })
    worker.clock.now = EVENING
    await expect(
      createGrant(eve, {
        subject: 'bob',
        role: 'operator',
        object: 'meter-1',
        expires_at: EVENING + 1,
      }),
    ).rejects.toMatchObject({ type: 'forbidden' })
  })

  test('is refused at the write when her time is cut short meanwhile', async () => {
    const { by, own, worker } = await startShift()
    const id = await own()
    const cx = overtakenOnce(by('eve'), () =>
      changeGrant(by('boss'), id, { expires_at: EPOCH + 60 }, null),
    )
    await expect(mintDeviceToken(cx, 'meter-1', { expires_in: 3600 })).rejects.toMatchObject({
      type: 'forbidden',
    })
    const tokens = await worker.context().db.read(sql`select * from device_token`)
    expect(tokens).toEqual([])
  })
})
