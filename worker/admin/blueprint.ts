// The blueprint: the things that should exist, as one value. It is read whole, checked whole, then
// written in one batch: a fault anywhere applies nothing, and a second run changes nothing. Each
// room says what an entry may contain and what it changes; here the variables, the natural keys and
// the references between entries come together.
import { findGrantsByKeys, grantInput, planGrant } from '../access/grants.ts'
import {
  findGroupsByIds,
  findTreeFault,
  groupInput,
  planGroup,
  planMemberships,
} from '../access/groups.ts'
import { emailKeyOf, idSchema } from '../access/principals.ts'
import { findRolesByNames, planRole, roleInput } from '../access/roles.ts'
import { type Plan, z } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { BatchRefused, ConstraintViolation } from '../db/database.ts'
import type { Statement } from '../db/sql.ts'
import { deviceInput } from '../devices/device_schema.ts'
import { deviceTypeInput, findDeviceTypesByNames, planDeviceType } from '../devices/device_types.ts'
import { findDevicesByIds, planDevice } from '../devices/devices.ts'
import { refusalOf } from '../devices/refusals.ts'
import { Problem } from '../errors.ts'
import { findUsersByEmails, planUser, userInput } from '../identity/users.ts'
import { clientInput, findClientsByIds, planClient } from '../oauth/clients/clients.ts'
import { acceptSettings, listSettings } from '../settings.ts'
import {
  listMembershipsOf,
  listMqttClientIds,
  listNamedRoles,
  listNamedTypes,
  listPrincipals,
  listTree,
} from './blueprint_store.ts'
import {
  planSettings,
  type SettingsPatch,
  settingsAfter,
  settingsPatch,
} from './settings_change.ts'

const list = <T extends z.ZodType>(entry: T) => z.array(entry).max(10_000).default([])

const blueprintSchema = z.strictObject({
  settings: settingsPatch.default({}),
  roles: list(roleInput),
  groups: list(groupInput.extend({ id: idSchema })),
  device_types: list(deviceTypeInput),
  users: list(userInput.extend({ groups: z.array(idSchema).max(100).optional() })),
  clients: list(clientInput.extend({ client_id: idSchema })),
  devices: list(deviceInput.extend({ id: idSchema })),
  grants: list(grantInput),
})

type Blueprint = z.output<typeof blueprintSchema>
type Noun = Exclude<keyof Blueprint, 'settings'>

export type Fault = { path: string; reason: string }

/** Thrown when nothing was applied: every fault with its place in the document. */
export class BlueprintFault extends Error {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map(({ path, reason }) => `${path}: ${reason}`).join('\n'))
    this.faults = faults
  }
}

/**
 * Makes all that the document names; with `dryRun` it only says the changes. Answers one line for
 * each change, none when there is nothing to change. `env` fills `${NAME}`. Throws BlueprintFault.
 */
export async function applyBlueprint(
  cx: Context,
  document: unknown,
  env: Readonly<Record<string, string | undefined>>,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<string[]> {
  const blueprint = readBlueprint(document, env)
  const standing = await readStanding(cx, blueprint)
  const faults = [...findTwice(blueprint), ...findMissing(blueprint, standing)]
  if (faults.length > 0) throw new BlueprintFault(faults)
  const planned = await planAll(cx, blueprint, standing)
  const statements = planned.flatMap(({ plan }) => plan.statements)
  if (!dryRun && statements.length > 0) {
    try {
      await cx.db.write(statements)
    } catch (error) {
      const inTheWay =
        error instanceof ConstraintViolation
          ? `${error.constraint || 'a reference'} is in the way`
          : error instanceof BatchRefused
            ? `the demand ${error.reason} is not met`
            : undefined
      const what = refusalOf(error)?.detail ?? inTheWay
      if (what === undefined) throw error
      const reason = `${what} (changed by somebody else meanwhile; apply again)`
      throw new BlueprintFault([{ path: 'the database', reason }])
    }
    cx.memory.delete('settings')
  }
  return planned
    .filter(({ plan }) => plan.change !== 'unchanged')
    .map(({ name, plan: { change, fields } }) =>
      change === 'updated' ? `updated ${name} (${fields.join(', ')})` : `created ${name}`,
    )
}

function readBlueprint(
  document: unknown,
  env: Readonly<Record<string, string | undefined>>,
): Blueprint {
  const faults: Fault[] = []
  const filled = fillVariables(document ?? {}, env, '', faults)
  const { data, error } = blueprintSchema.safeParse(filled)
  const issues = (error?.issues ?? []).map((issue) => ({
    path: describePath(issue.path),
    reason: issue.message,
  }))
  // A variable that is not set is the reason of the fault, and hides the others at its place.
  const unset = new Set(faults.map((fault) => fault.path))
  faults.push(...issues.filter(({ path }) => !unset.has(path)))
  if (data === undefined || faults.length > 0) throw new BlueprintFault(faults)
  return data
}

/** `${NAME}`, in capitals: the variables of access rules are in small letters and have dots. */
const VARIABLE = /\$\{([A-Z][A-Z0-9_]*)\}/g

function fillVariables(
  value: unknown,
  env: Readonly<Record<string, string | undefined>>,
  path: string,
  faults: Fault[],
): unknown {
  if (typeof value === 'string') {
    return value.replace(VARIABLE, (text, name: string) => {
      const found = env[name]
      if (found !== undefined) return found
      const reason = `the environment variable ${name} is not set`
      faults.push({ path: path || 'the document', reason })
      return text
    })
  }
  if (Array.isArray(value)) {
    return value.map((item, i) => fillVariables(item, env, `${path}[${i}]`, faults))
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        fillVariables(item, env, path === '' ? name : `${path}.${name}`, faults),
      ]),
    )
  }
  return value
}

function describePath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? String(part) : `.${String(part)}`
  }
  return text === '' ? 'the document' : text
}

// --- what stands ------------------------------------------------------------------------------

const keyOf = {
  roles: (entry: Blueprint['roles'][number]) => entry.name,
  groups: (entry: Blueprint['groups'][number]) => entry.id,
  device_types: (entry: Blueprint['device_types'][number]) => entry.name,
  users: (entry: Blueprint['users'][number]) => emailKeyOf(entry.email) ?? entry.email,
  clients: (entry: Blueprint['clients'][number]) => entry.client_id,
  devices: (entry: Blueprint['devices'][number]) => entry.id,
  grants: (entry: Blueprint['grants'][number]) =>
    `${entry.role} for ${entry.subject} on ${entry.object}`,
}

async function readStanding(cx: Context, blueprint: Blueprint) {
  const { roles, groups, device_types, users, clients, devices, grants } = blueprint
  const ids = [
    ...groups.map(({ id }) => id),
    ...clients.map(({ client_id }) => client_id),
    ...devices.map(({ id }) => id),
    ...users.flatMap(({ id }) => id ?? []),
    ...references(blueprint).flatMap(({ kind, name }) => (kind === 'principal' ? name : [])),
  ]
  const emails = [
    ...users.map(({ email }) => email),
    ...grants.flatMap(({ subject }) => (subject.includes('@') ? subject : [])),
  ]
  const {
    settings,
    roleRows,
    groupRows,
    typeRows,
    userRows,
    clientRows,
    deviceRows,
    grantRows,
    principals,
    mqttClientIds,
    tree,
    memberships,
    roleNames,
    typeNames,
  } = await cx.db.read({
    settings: listSettings(),
    roleRows: findRolesByNames(roles.map(keyOf.roles)),
    groupRows: findGroupsByIds(groups.map(keyOf.groups)),
    typeRows: findDeviceTypesByNames(device_types.map(keyOf.device_types)),
    userRows: findUsersByEmails(emails),
    clientRows: findClientsByIds(clients.map(keyOf.clients)),
    deviceRows: findDevicesByIds(devices.map(keyOf.devices)),
    grantRows: findGrantsByKeys(
      grants.map(({ subject, role, object }) => ({
        subject,
        email_key: emailKeyOf(subject),
        role,
        object,
      })),
    ),
    principals: listPrincipals(ids),
    mqttClientIds: listMqttClientIds(ids),
    tree: listTree(),
    memberships: listMembershipsOf(users.map(keyOf.users)),
    roleNames: listNamedRoles(grants.map(({ role }) => role)),
    typeNames: listNamedTypes(devices.map(({ type }) => type)),
  })
  return {
    settings: acceptSettings(cx, settings),
    roles: byKey(roleRows, (row) => row.name),
    groups: byKey(groupRows, (row) => row.id),
    device_types: byKey(typeRows, (row) => row.name),
    users: byKey(userRows, (row) => row.email_key),
    clients: byKey(clientRows, (row) => row.id),
    devices: byKey(deviceRows, (row) => row.id),
    grants: new Map(grantRows.map((row) => [Number(row.position), row])),
    principals: byKey(principals, (row) => row.id),
    mqttClientIds: new Set(mqttClientIds.map((row) => row.id)),
    tree: new Map(tree.map((row) => [row.id, row.parent_id])),
    memberships,
    roleNames: new Set(roleNames.map((row) => row.name)),
    typeNames: new Set(typeNames.map((row) => row.name)),
  }
}

type Standing = Awaited<ReturnType<typeof readStanding>>

const byKey = <Row>(rows: readonly Row[], key: (row: Row) => string) =>
  new Map(rows.map((row) => [key(row), row]))

// --- references -------------------------------------------------------------------------------

type Reference = {
  path: string
  name: string
  kind: 'principal' | 'user' | 'role' | 'device_type'
  /** Kinds of principal that are accepted. */
  of?: readonly string[]
}

/** Everything that an entry names and that has to exist, in the database or in this document. */
function references({ groups, users, devices, grants }: Blueprint): Reference[] {
  const group = (name: string, path: string): Reference => {
    return { path, name, kind: 'principal', of: ['group'] }
  }
  return [
    ...groups.flatMap(({ parent_id }, i) =>
      parent_id == null ? [] : group(parent_id, `groups[${i}].parent_id`),
    ),
    ...users.flatMap(({ groups = [] }, i) =>
      groups.map((name, j) => group(name, `users[${i}].groups[${j}]`)),
    ),
    ...devices.flatMap(({ type, groups = [] }, i): Reference[] => [
      { path: `devices[${i}].type`, name: type, kind: 'device_type' },
      ...groups.map((name, j) => group(name, `devices[${i}].groups[${j}]`)),
    ]),
    ...grants.flatMap(({ subject, role, object }, i): Reference[] => [
      {
        path: `grants[${i}].subject`,
        name: subject,
        kind: subject.includes('@') ? 'user' : 'principal',
      },
      { path: `grants[${i}].role`, name: role, kind: 'role' },
      ...(object === '*'
        ? []
        : [
            {
              path: `grants[${i}].object`,
              name: object,
              kind: 'principal' as const,
              of: ['device', 'group'],
            },
          ]),
    ]),
  ]
}

function findMissing(blueprint: Blueprint, standing: Standing): Fault[] {
  const here = new Map<string, string>([
    ...blueprint.groups.map(({ id }) => [id, 'group'] as const),
    ...blueprint.devices.map(({ id }) => [id, 'device'] as const),
    ...blueprint.clients.map(({ client_id }) => [client_id, 'client'] as const),
    ...blueprint.users.flatMap(({ id }) => (id === undefined ? [] : [[id, 'user'] as const])),
  ])
  const emails = new Set(blueprint.users.map(keyOf.users))
  const roles = new Set(blueprint.roles.map(keyOf.roles))
  const types = new Set(blueprint.device_types.map(keyOf.device_types))
  const faults: Fault[] = []
  for (const { path, name, kind, of } of references(blueprint)) {
    const miss = (what: string) => faults.push({ path, reason: `there is no ${what} "${name}"` })
    if (kind === 'role' && !roles.has(name) && !standing.roleNames.has(name)) miss('role')
    if (kind === 'device_type' && !types.has(name) && !standing.typeNames.has(name)) {
      miss('device type')
    }
    if (kind === 'user') {
      const key = emailKeyOf(name) ?? name
      if (!emails.has(key) && !standing.users.has(key)) miss('user')
    }
    if (kind === 'principal') {
      const stored = standing.principals.get(name)
      const found = here.get(name) ?? (stored?.deleted_at === null ? stored.kind : undefined)
      if (found === undefined)
        miss(of === undefined ? 'user, client, device or group' : of.join(' or '))
      else if (of !== undefined && !of.includes(found)) {
        faults.push({ path, reason: `"${name}" is a ${found}, not a ${of.join(' or ')}` })
      }
    }
  }
  // An id belongs to one principal for good, also when that was deleted.
  const ids = new Map<string, string>()
  const claim = (path: string, id: string, kind: string) => {
    const before = ids.get(id)
    if (before !== undefined) faults.push({ path, reason: `"${id}" is the id of ${before} too` })
    ids.set(id, path.slice(0, path.lastIndexOf('.')))
    const stored = standing.principals.get(id)
    if (stored === undefined) {
      const reason = `"${id}" is within the MQTT client id of a device`
      if (standing.mqttClientIds.has(id)) faults.push({ path, reason })
      return
    }
    if (stored.deleted_at === null && stored.kind === kind) return
    const what = stored.deleted_at === null ? `is a ${stored.kind}` : 'was deleted'
    faults.push({ path, reason: `"${id}" ${what}; an id is never used again` })
  }
  for (const [i, { id }] of blueprint.groups.entries()) claim(`groups[${i}].id`, id, 'group')
  for (const [i, { id }] of blueprint.devices.entries()) claim(`devices[${i}].id`, id, 'device')
  for (const [i, { client_id }] of blueprint.clients.entries()) {
    claim(`clients[${i}].client_id`, client_id, 'client')
  }
  for (const [i, entry] of blueprint.users.entries()) {
    const current = standing.users.get(keyOf.users(entry))
    if (entry.id === undefined || entry.id === current?.id) continue
    // An account is found by its address, so this entry would make a new one.
    claim(`users[${i}].id`, entry.id, 'a new user')
  }
  const tree = new Map(standing.tree)
  for (const { id, parent_id } of blueprint.groups) {
    if (parent_id !== undefined || !tree.has(id)) tree.set(id, parent_id ?? null)
  }
  const fault = findTreeFault(tree)
  if (fault !== null) faults.push({ path: 'groups', reason: fault })
  return faults
}

/** Finds entries of the same natural key, of which only one could hold. */
function findTwice(blueprint: Blueprint): Fault[] {
  const faults: Fault[] = []
  for (const noun of Object.keys(keyOf) as Noun[]) {
    const seen = new Map<string, number>()
    for (const [i, entry] of blueprint[noun].entries()) {
      const key = (keyOf[noun] as (entry: unknown) => string)(entry)
      const before = seen.get(key)
      if (before === undefined) seen.set(key, i)
      else faults.push({ path: `${noun}[${i}]`, reason: `says again what ${noun}[${before}] says` })
    }
  }
  return faults
}

// --- plans ------------------------------------------------------------------------------------

async function planAll(cx: Context, blueprint: Blueprint, standing: Standing) {
  const planned: { name: string; plan: Plan }[] = []
  const faults: Fault[] = []
  const plan = async (path: string, name: string, make: () => Plan | Promise<Plan>) => {
    try {
      planned.push({ name, plan: await make() })
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      const { detail, errors } = error
      if (errors.length === 0) faults.push({ path, reason: detail })
      for (const one of errors) {
        faults.push({ path: path + one.pointer.replaceAll('/', '.'), reason: one.detail })
      }
    }
  }
  const { settings, roles, groups, device_types, users, clients, devices, grants } = blueprint

  await plan('settings', 'settings', () =>
    planSettings(cx, settings as SettingsPatch, standing.settings),
  )
  // In order: an entry comes after those that it needs.
  for (const [i, entry] of roles.entries()) {
    const current = standing.roles.get(entry.name)
    await plan(`roles[${i}]`, `role ${entry.name}`, () => planRole(cx, entry, current))
  }
  for (const [i, entry] of groups.entries()) {
    const current = standing.groups.get(entry.id)
    await plan(`groups[${i}]`, `group ${entry.id}`, () => planGroup(cx, entry, current))
  }
  for (const [i, entry] of device_types.entries()) {
    const current = standing.device_types.get(entry.name)
    const name = `device type ${entry.name}`
    await plan(`device_types[${i}]`, name, () => planDeviceType(cx, entry, current))
  }
  for (const [i, entry] of users.entries()) {
    await plan(`users[${i}]`, `user ${entry.email}`, () => planUserWithGroups(cx, entry, standing))
  }
  const coming = settingsAfter(settings as SettingsPatch, standing.settings)
  for (const [i, entry] of clients.entries()) {
    const current = standing.clients.get(entry.client_id)
    await plan(`clients[${i}]`, `client ${entry.client_id}`, () =>
      planClient(cx, entry, current, coming),
    )
  }
  for (const [i, entry] of devices.entries()) {
    const current = standing.devices.get(entry.id)
    await plan(`devices[${i}]`, `device ${entry.id}`, () => planDevice(cx, entry, current))
  }
  for (const [i, entry] of grants.entries()) {
    const name = `grant ${keyOf.grants(entry)}`
    await plan(`grants[${i}]`, name, () => planGrant(cx, entry, standing.grants.get(i)))
  }
  if (faults.length > 0) throw new BlueprintFault(faults)
  return planned
}

/** The groups of a user are written by access/, so the two plans become one. */
async function planUserWithGroups(
  cx: Context,
  { groups, ...entry }: Blueprint['users'][number],
  standing: Standing,
): Promise<Plan> {
  const current = standing.users.get(keyOf.users(entry))
  const id = current?.id ?? entry.id ?? randomId(cx, 'usr')
  const own = await planUser(cx, { ...entry, id }, current)
  if (groups === undefined) return own
  const before = standing.memberships.filter((row) => row.member_id === id)
  const joined = await planMemberships(
    cx,
    id,
    groups,
    before.map((row) => row.group_id),
  )
  const statements: Statement[] = [...own.statements, ...joined.statements]
  const change = own.change === 'unchanged' ? joined.change : own.change
  return { change, fields: [...own.fields, ...joined.fields], statements }
}
