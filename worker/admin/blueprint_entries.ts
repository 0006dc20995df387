// The entries of a blueprint in one form, whatever their kind, in an order in which each comes
// after those that it needs. The rooms plan them; a user's groups are joined to the user here.
import { planGrant } from '../access/grants.ts'
import { planGroup, planMemberships } from '../access/groups.ts'
import { planRole } from '../access/roles.ts'
import type { Plan } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { planAuthority } from '../devices/certificates/authorities.ts'
import type { TypeRules } from '../devices/credentials.ts'
import { describeDevice } from '../devices/device_schema.ts'
import { planDeviceType, typeRulesAfter } from '../devices/device_types.ts'
import { planDevice } from '../devices/devices.ts'
import { describeConsent, planConsent } from '../identity/consents/consents.ts'
import { describeUser, planUser, type UserRow } from '../identity/users.ts'
import { planClient } from '../oauth/clients/clients.ts'
import { DEFAULT_SETTINGS, type Settings } from '../settings.ts'
import { type Blueprint, keyOf, type Noun } from './blueprint_document.ts'
import type { Members, Recordable } from './blueprint_record.ts'
import type { Standing } from './blueprint_standing.ts'
import { planSettings, type SettingsPatch } from './settings_change.ts'

export type Entry = Recordable & {
  /** Its place in the document, as `devices[3]`. */
  path: string
  /** For people, as `device lamp-1`. */
  name: string
  /** The id that it has as a principal; null for other kinds, and for a user without one. */
  id: string | null
  /** Null when nothing of this key stands; else its members that consist of parts. */
  present: Members | null
  /** Plans these members, or the whole entry, under the settings to come. Throws Problem. */
  plan(members: Members | 'whole', coming: Settings): Promise<Plan>
  /** Plans the whole entry as if nothing stood: shows whether a fault is that of the file alone. */
  planAlone(coming: Settings): Promise<Plan>
}

const KINDS = {
  roles: 'role',
  groups: 'group',
  device_types: 'device type',
  device_cas: 'device authority',
  users: 'user',
  clients: 'client',
  devices: 'device',
  grants: 'grant',
  consents: 'consent',
} as const

export function entriesOf(cx: Context, blueprint: Blueprint, standing: Standing): Entry[] {
  const entry = <Input extends object, Row>(
    noun: Noun,
    {
      i,
      key,
      label = key,
      id = null,
    }: { i: number; key: string; label?: string; id?: string | null },
    input: Input,
    current: Row | undefined,
    plan: (input: Partial<Input>, current: Row | undefined, coming: Settings) => Promise<Plan>,
    parts: Members = {},
  ): Entry => ({
    noun,
    path: `${noun}[${i}]`,
    name: `${KINDS[noun]} ${label}`,
    key,
    id,
    members: input as Members,
    present: current === undefined ? null : parts,
    plan: (members, coming) =>
      plan(members === 'whole' ? input : (members as Partial<Input>), current, coming),
    planAlone: (coming) => plan(input, undefined, coming),
  })
  const { settings, roles, groups, device_types, users, clients, devices, grants, consents } =
    blueprint
  const patch = settings as SettingsPatch
  /** The rules of a type as the file says, or else as they stand. */
  const rulesOf = (name: string): TypeRules | undefined => {
    const stored = standing.device_types.get(name)
    const wanted = device_types.find((one) => one.name === name)
    return wanted === undefined ? stored : typeRulesAfter(stored, wanted)
  }
  return [
    {
      noun: 'settings',
      path: 'settings',
      name: 'settings',
      key: '',
      id: null,
      members: patch,
      present: {},
      plan: async (members) =>
        planSettings(
          cx,
          members === 'whole' ? patch : (members as SettingsPatch),
          standing.settings,
        ),
      planAlone: async () => planSettings(cx, patch, DEFAULT_SETTINGS),
    },
    ...roles.map((role, i) => {
      const key = keyOf.roles(role)
      return entry('roles', { i, key }, role, standing.roles.get(key), (input, current) =>
        planRole(cx, { ...input, name: role.name }, current),
      )
    }),
    ...groups.map((group, i) => {
      const key = keyOf.groups(group)
      return entry(
        'groups',
        { i, key, id: key },
        group,
        standing.groups.get(key),
        (input, current) => planGroup(cx, { ...input, id: group.id }, current),
      )
    }),
    ...device_types.map((type, i) => {
      const key = keyOf.device_types(type)
      return entry(
        'device_types',
        { i, key },
        type,
        standing.device_types.get(key),
        (input, current) => planDeviceType(cx, { ...input, name: type.name }, current),
      )
    }),
    ...blueprint.device_cas.map((authority, i) => {
      const key = keyOf.device_cas(authority)
      return entry(
        'device_cas',
        { i, key },
        authority,
        standing.device_cas.get(key),
        (input, current) =>
          planAuthority(
            cx,
            { ...input, name: authority.name, certificate: authority.certificate },
            current,
          ),
      )
    }),
    ...users.map((user, i) => {
      const key = keyOf.users(user)
      const stored = standing.users.get(key)
      const before = (standing.groupsOfUsers.get(stored?.id ?? '') ?? []).map((row) => row.group_id)
      const parts = stored === undefined ? {} : { ...describeUser(stored), groups: before }
      return entry(
        'users',
        { i, key, label: user.email ?? user.user_name ?? key, id: user.id ?? null },
        user,
        stored,
        (input, current, coming) => planUserWithGroups(cx, input, current, before, coming),
        parts,
      )
    }),
    ...clients.map((client, i) => {
      const key = keyOf.clients(client)
      return entry(
        'clients',
        { i, key, id: key },
        client,
        standing.clients.get(key),
        (input, current, coming) =>
          planClient(cx, { ...input, client_id: client.client_id }, current, coming),
      )
    }),
    ...devices.map((device, i) => {
      const key = keyOf.devices(device)
      const stored = standing.devices.get(key)
      return entry(
        'devices',
        { i, key, id: key },
        device,
        stored,
        (input, current) =>
          planDevice(
            cx,
            { ...input, id: device.id, type: input.type ?? current?.type ?? device.type },
            current,
            rulesOf(input.type ?? current?.type ?? device.type),
          ),
        stored === undefined ? {} : describeDevice(stored),
      )
    }),
    ...grants.map((grant, i) => {
      const { subject, role, object } = grant
      const label = `${role} for ${subject} on ${object}`
      return entry(
        'grants',
        { i, key: keyOf.grants(grant), label },
        grant,
        standing.grants.get(i),
        (input, current) => planGrant(cx, { ...input, subject, role, object }, current),
      )
    }),
    ...consents.map((consent, i) => {
      const key = keyOf.consents(consent)
      const stored = standing.consents.get(key)
      return entry(
        'consents',
        { i, key },
        consent,
        stored,
        (input, current) => planConsent(cx, { ...input, key }, current),
        stored === undefined ? {} : describeConsent(stored),
      )
    }),
  ]
}

/** The groups of a user are written by access/, so the two plans become one. */
async function planUserWithGroups(
  cx: Context,
  { groups, ...entry }: Blueprint['users'][number],
  current: UserRow | undefined,
  before: readonly string[],
  coming: Settings,
): Promise<Plan> {
  const id = current?.id ?? entry.id ?? randomId(cx, 'usr')
  const own = await planUser(cx, { ...entry, id }, current, coming)
  if (groups === undefined) return own
  const joined = await planMemberships(cx, id, groups, before)
  const statements = [...own.statements, ...joined.statements]
  const change = own.change === 'unchanged' ? joined.change : own.change
  return { change, fields: [...own.fields, ...joined.fields], statements }
}
