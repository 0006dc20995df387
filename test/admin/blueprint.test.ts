import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { BlueprintFault } from '../../worker/admin/blueprint_document.ts'
import { sql } from '../../worker/db/sql.ts'
import { addUserLoginId } from '../../worker/identity/login_ids/user_login_ids.ts'
import { countRoundTrips, startWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'

const PASSWORD = 'a password for the blueprint'
const NOTHING = { changes: [], left: [] }
const SECRET = 'a-secret-of-at-least-32-characters'

const site = () => ({
  settings: { access_token_ttl: 300 },
  clients: [
    {
      client_id: 'ops',
      client_secret: '${OPS_SECRET}',
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
  roles: [
    {
      name: 'resident',
      permissions: ['device:read'],
      acl: [
        { permission: 'allow', action: 'subscribe', topic: 'sites/${group.id}/devices/+/state' },
      ],
    },
  ],
  groups: [
    { id: 'room-1', kind: 'room', name: 'Kitchen', parent_id: 'site-12' },
    { id: 'site-12', kind: 'site', name: '12 Garden Street' },
  ],
  users: [{ email: 'Ann@example.com', password: '${ANN_PASSWORD}', groups: ['site-12'] }],
  device_types: [{ name: 'dimmer', acl: [] }],
  devices: [{ id: 'dim-1', type: 'dimmer', groups: ['room-1'] }],
  grants: [{ subject: 'ann@EXAMPLE.com', role: 'resident', object: 'site-12' }],
})
const env = { OPS_SECRET: SECRET, ANN_PASSWORD: PASSWORD }

async function faultsOf(document: unknown, variables: Record<string, string> = env) {
  const worker = await startWorker()
  const cx = worker.context()
  try {
    await applyBlueprint(cx, document, variables)
  } catch (error) {
    if (!(error instanceof BlueprintFault)) throw error
    const rows = await cx.db.read(sql<{ n: number }>`select count(*) as n from principal`)
    expect(rows[0]?.n, 'nothing is applied').toBe(0)
    return error.faults.map(({ path, reason }) => `${path}: ${reason}`)
  }
  throw new Error('it was applied')
}

test('a blueprint is applied whole, in one read and one write, and a second time changes nothing', async () => {
  const worker = await startWorker()
  const dry = await applyBlueprint(worker.context(), site(), env, { dryRun: true })
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    applyBlueprint(worker.context(), site(), env),
  )
  expect(roundTrips).toBe(2)
  expect(value).toEqual(dry)
  expect(value.changes).toEqual([
    'updated settings (access_token_ttl)',
    'created role resident',
    'created group room-1',
    'created group site-12',
    'created device type dimmer',
    'created user Ann@example.com',
    'created client ops',
    'created device dim-1',
    'created grant resident for ann@EXAMPLE.com on site-12',
  ])
  expect(await applyBlueprint(worker.context(), site(), env)).toEqual(NOTHING)
  const { grants, events } = await worker.context().db.read({
    grants: sql<{ email: string }>`select email from "grant" g join user u on u.id = g.subject_id`,
    events: sql<{ data: string }>`select data from event`,
  })
  expect(grants).toEqual([{ email: 'Ann@example.com' }])
  expect(events.length).toBeGreaterThanOrEqual(9)
  expect(JSON.stringify(events)).not.toMatch(new RegExp(`${PASSWORD}|${SECRET}`))
})

test('what differs is changed and named; passwords and secrets stay as they were made', async () => {
  const worker = await startWorker()
  await applyBlueprint(worker.context(), site(), env)
  const hashes = () =>
    worker.context().db.read({
      passwords: sql`select password from user`,
      secrets: sql`select hash from client_secret order by hash`,
    })
  const before = await hashes()
  const changed = site()
  changed.groups[1]!.name = '12a Garden Street'
  changed.devices[0]!.groups = ['site-12']
  changed.users[0]!.groups = ['room-1']
  const other = { OPS_SECRET: `${SECRET}-2`, ANN_PASSWORD: `${PASSWORD} 2` }
  const { changes } = await applyBlueprint(worker.context(), changed, other)
  expect(changes).toEqual([
    'updated group site-12 (name)',
    'updated user Ann@example.com (groups)',
    'updated device dim-1 (groups)',
  ])
  expect(await hashes()).toEqual(before)
  expect(await applyBlueprint(worker.context(), changed, other)).toEqual(NOTHING)
})

const child = {
  ...{ id: 'liz', user_name: 'Grandma.Liz', password: PASSWORD, groups: ['home'] },
  name: 'Liz',
}
const household = (user: object, more: readonly object[] = []) => ({
  settings: { sign_in_names: ['email', 'user_name'] },
  groups: [{ id: 'home', name: 'Home' }],
  roles: [{ name: 'resident', permissions: ['device:read'] }],
  users: [user, ...more],
  grants: [{ subject: 'liz', role: 'resident', object: 'home' }],
})

test('a user without an address is made, found and changed by the user name', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  const users = sql`select id, email, email_verified, user_name, name from user`
  const first = await applyBlueprint(cx, household(child), env)
  expect(first.changes).toContain('created user Grandma.Liz')
  const made = { id: 'liz', email: '', email_verified: 0, user_name: 'Grandma.Liz' }
  expect(await cx.db.read(users)).toEqual([{ ...made, name: 'Liz' }])
  expect((await new Browser(worker).signIn('grandma.liz', PASSWORD)).status).toBe(303)
  expect(await applyBlueprint(cx, household(child), env)).toEqual(NOTHING)
  const other = { ...child, user_name: 'grandma.LIZ', name: 'Elisabeth', groups: [] }
  const { changes } = await applyBlueprint(cx, household(other), env)
  expect(changes).toEqual(['updated user grandma.LIZ (name, groups)'])
  expect(await cx.db.read(users)).toEqual([{ ...made, name: 'Elisabeth' }])
  // An address that an operator added stays, and with it she is found too.
  await addUserLoginId(cx, 'liz', { kind: 'email', value: 'liz@example.com', verified: true })
  expect(await applyBlueprint(cx, household(other), env)).toEqual(NOTHING)
  const both = { ...other, email: 'liz@example.com', email_verified: true }
  expect(await applyBlueprint(cx, household(both), env)).toEqual(NOTHING)
  await expect(applyBlueprint(cx, household({ ...both, user_name: 'liz' }), env)).rejects.toThrow(
    'users[0].user_name',
  )
})

test('a user has a name, and one name names one user', async () => {
  const { user_name: _, ...nameless } = child
  expect(await faultsOf(household(nameless))).toEqual([
    'users[0].email: is needed where there is no user_name',
  ])
  const again = { email: 'liz@example.com', user_name: 'grandma.liz' }
  expect(await faultsOf(household(child, [again]))).toEqual([
    'users[1]: says again what users[0] says',
  ])
  expect(await faultsOf(household({ ...child, user_name: 'a b' }))).toEqual([
    'users[0].user_name: must consist of letters, the digits 0 to 9, and . _ -',
  ])
})

test('two instances that apply it at once make everything once', async () => {
  const worker = await startWorker()
  const both = await Promise.allSettled(
    Array.from({ length: 4 }, () => applyBlueprint(worker.context(), site(), env)),
  )
  expect(both.some(({ status }) => status === 'fulfilled')).toBe(true)
  expect(await applyBlueprint(worker.context(), site(), env)).toEqual(NOTHING)
  const { devices, grants, users } = await worker.context().db.read({
    devices: sql`select id from device`,
    grants: sql`select id from "grant"`,
    users: sql`select id from user`,
  })
  expect([devices.length, grants.length, users.length]).toEqual([1, 1, 1])
})

test('a variable that is not set is an error with its place, for all of them', async () => {
  expect(await faultsOf(site(), {})).toEqual([
    'clients[0].client_secret: the environment variable OPS_SECRET is not set',
    'users[0].password: the environment variable ANN_PASSWORD is not set',
  ])
})

test.each<[string, (document: ReturnType<typeof site>) => unknown, RegExp]>([
  ['an unknown key', (d) => ({ ...d, client: [] }), /^the document: .*client/],
  ['no object at all', () => ['x'], /^the document: /],
  [
    'an unknown field',
    (d) => Object.assign(d.devices[0]!, { colour: 'red' }),
    /^devices\[0\]: .*colour/,
  ],
  ['a wrong type', (d) => Object.assign(d.users[0]!, { email: 7 }), /^users\[0\]\.email: /],
  [
    'a group that is nowhere',
    (d) => d.devices[0]!.groups.push('attic'),
    /^devices\[0\]\.groups\[1\]: there is no group "attic"/,
  ],
  [
    'a device as a group',
    (d) => d.devices[0]!.groups.push('dim-1'),
    /^devices\[0\]\.groups\[1\]: "dim-1" is a device, not a group/,
  ],
  [
    'a type that is nowhere',
    (d) => Object.assign(d.devices[0]!, { type: 'fan' }),
    /^devices\[0\]\.type: there is no device type "fan"/,
  ],
  [
    'a role that is nowhere',
    (d) => Object.assign(d.grants[0]!, { role: 'king' }),
    /^grants\[0\]\.role: there is no role "king"/,
  ],
  [
    'a person who is nowhere',
    (d) => Object.assign(d.grants[0]!, { subject: 'bob@example.com' }),
    /^grants\[0\]\.subject: there is no user "bob@example.com"/,
  ],
  [
    'an object that is nowhere',
    (d) => Object.assign(d.grants[0]!, { object: 'moon' }),
    /^grants\[0\]\.object: there is no device or group "moon"/,
  ],
  ['a circle of groups', (d) => Object.assign(d.groups[1]!, { parent_id: 'room-1' }), /^groups: /],
  [
    'the same device twice',
    (d) => d.devices.push({ ...d.devices[0]! }),
    /^devices\[1\]: says again what devices\[0\] says/,
  ],
  [
    'the same person in other letters',
    (d) => d.users.push({ ...d.users[0]!, email: 'ANN@example.com' }),
    /^users\[1\]: says again what users\[0\] says/,
  ],
  [
    'a group and a device of one id',
    (d) => d.devices.push({ ...d.devices[0]!, id: 'room-1' }),
    /^devices\[1\]\.id: "room-1" is the id of groups\[0\] too/,
  ],
  [
    'a person with the id of a group',
    (d) => Object.assign(d.users[0]!, { id: 'room-1' }),
    /^users\[0\]\.id: "room-1" is the id of groups\[0\] too/,
  ],
  [
    'a password made of the name of the account',
    (d) => Object.assign(d.users[0]!, { password: 'ann-ann-ann-1234567' }),
    /^users\[0\]\.password: is one of those that are tried first/,
  ],
  [
    'an idle lifetime beyond the whole one',
    (d) => Object.assign(d.settings, { session_idle_ttl: 86_400, session_ttl: 3600 }),
    /^settings: an idle lifetime/,
  ],
])('%s applies nothing and names place and reason', async (_, breakIt, expected) => {
  const document = site()
  const replaced = breakIt(document)
  const whole = Array.isArray(replaced) || (replaced as { client?: unknown })?.client !== undefined
  const faults = await faultsOf(whole ? replaced : document)
  expect(
    faults.some((fault) => expected.test(fault)),
    faults.join('\n'),
  ).toBe(true)
})

test('an id that belonged to something deleted is not used again', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  await applyBlueprint(cx, { groups: [{ id: 'old', kind: 'site', name: 'Old' }] }, {})
  await cx.db.write([
    sql`delete from "group" where id = 'old'`,
    sql`update principal set deleted_at = 1 where id = 'old'`,
  ])
  const again = applyBlueprint(
    worker.context(),
    { device_types: [{ name: 't', acl: [] }], devices: [{ id: 'old', type: 't' }] },
    {},
  )
  await expect(again).rejects.toThrow('"old" was deleted; an id is never used again')
})

test('an id that is taken, or is the MQTT client id of a device, makes nobody new', async () => {
  const worker = await startWorker()
  const ann = { id: 'ann', email: 'ann@example.com' }
  await applyBlueprint(
    worker.context(),
    {
      device_types: [{ name: 't' }],
      devices: [{ id: 'd', type: 't', mqtt_client_id: 'old:1' }],
      users: [ann],
    },
    {},
  )
  for (const [document, fault] of [
    [{ users: [{ ...ann, email: 'bob@example.com' }] }, 'users[0].id: "ann" is a user'],
    [{ users: [{ id: 'd', email: 'bob@example.com' }] }, 'users[0].id: "d" is a device'],
    [{ users: [{ id: 'old', email: 'bob@example.com' }] }, 'users[0].id: "old" is within'],
    [{ groups: [{ id: 'old' }] }, 'groups[0].id: "old" is within'],
    [{ clients: [{ client_id: 'old' }] }, 'clients[0].client_id: "old" is within'],
  ] as const) {
    await expect(applyBlueprint(worker.context(), document, {})).rejects.toThrow(fault)
  }
  expect(await applyBlueprint(worker.context(), { users: [ann] }, {})).toEqual(NOTHING)
})
