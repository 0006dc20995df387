// A blueprint as a document: what it may contain, its variables, the natural keys of its entries,
// and the names by which they refer to others. Knows no database.
import { grantInput } from '../access/grants.ts'
import { groupInput } from '../access/groups.ts'
import { emailKeyOf, idSchema } from '../access/principals.ts'
import { roleInput } from '../access/roles.ts'
import { z } from '../api.ts'
import { authorityInput } from '../devices/certificates/authorities.ts'
import { deviceInput } from '../devices/device_schema.ts'
import { deviceTypeInput } from '../devices/device_types.ts'
import { consentInput } from '../identity/consents/consents.ts'
import { userNameKey } from '../identity/login_ids/user_names.ts'
import { userEntry } from '../identity/users.ts'
import { clientInput } from '../oauth/clients/clients.ts'
import { settingsPatch } from './settings_change.ts'

const list = <T extends z.ZodType>(entry: T) => z.array(entry).max(10_000).default([])

const blueprintSchema = z.strictObject({
  settings: settingsPatch.default({}),
  roles: list(roleInput),
  groups: list(groupInput.extend({ id: idSchema })),
  device_types: list(deviceTypeInput),
  device_cas: list(authorityInput),
  users: list(userEntry),
  clients: list(clientInput.extend({ client_id: idSchema })),
  devices: list(deviceInput.extend({ id: idSchema })),
  grants: list(grantInput),
  consents: list(consentInput),
})

export type Blueprint = z.output<typeof blueprintSchema>
export type Noun = Exclude<keyof Blueprint, 'settings'>

export type Fault = { path: string; reason: string }

/** Thrown when nothing was applied: every fault with its place in the document. */
export class BlueprintFault extends Error {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map(({ path, reason }) => `${path}: ${reason}`).join('\n'))
    this.faults = faults
  }
}

/** Reads, fills and judges a document. Throws BlueprintFault with every fault. */
export function readBlueprint(
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

// --- natural keys -----------------------------------------------------------------------------

/** The key of an address, or of a user name, which has no `@`. */
function userKey({ email, user_name = '' }: Blueprint['users'][number]): string {
  return email === undefined ? userNameKey(user_name) : (emailKeyOf(email) ?? email)
}

export const keyOf = {
  roles: (entry: Blueprint['roles'][number]) => entry.name,
  groups: (entry: Blueprint['groups'][number]) => entry.id,
  device_types: (entry: Blueprint['device_types'][number]) => entry.name,
  device_cas: (entry: Blueprint['device_cas'][number]) => entry.name,
  users: userKey,
  clients: (entry: Blueprint['clients'][number]) => entry.client_id,
  devices: (entry: Blueprint['devices'][number]) => entry.id,
  grants: (entry: Blueprint['grants'][number]) =>
    `${entry.role} for ${emailKeyOf(entry.subject) ?? entry.subject} on ${entry.object}`,
  consents: (entry: Blueprint['consents'][number]) => entry.key,
}

/** Finds entries of the same natural key, of which only one could hold. */
export function findTwice(blueprint: Blueprint): Fault[] {
  const faults: Fault[] = []
  for (const noun of Object.keys(keyOf) as Noun[]) {
    const seen = new Map<string, number>()
    for (const [i, entry] of blueprint[noun].entries()) {
      const key = (keyOf[noun] as (entry: unknown) => string)(entry)
      const { user_name } = 'user_name' in entry ? entry : {}
      const name = user_name === undefined ? key : userNameKey(user_name)
      const before = seen.get(key) ?? seen.get(name)
      for (const one of [key, name]) seen.set(one, before ?? i)
      if (before === undefined) continue
      faults.push({ path: `${noun}[${i}]`, reason: `says again what ${noun}[${before}] says` })
    }
  }
  return faults
}

// --- references -------------------------------------------------------------------------------

export type Reference = {
  path: string
  name: string
  kind: 'principal' | 'user' | 'role' | 'device_type'
  /** Kinds of principal that are accepted. */
  of?: readonly string[]
}

/** Everything that an entry names and that has to exist, in the database or in this document. */
export function references(blueprint: Blueprint): Reference[] {
  const { groups, users, devices, device_cas, grants } = blueprint
  const group = (name: string, path: string): Reference => {
    return { path, name, kind: 'principal', of: ['group'] }
  }
  return [
    ...groups.flatMap(({ parent_id }, i) =>
      parent_id == null ? [] : group(parent_id, `groups[${i}].parent_id`),
    ),
    ...device_cas.flatMap(({ device_type, group: place }, i): Reference[] => [
      ...(device_type == null
        ? []
        : [
            {
              path: `device_cas[${i}].device_type`,
              name: device_type,
              kind: 'device_type' as const,
            },
          ]),
      ...(place == null ? [] : [group(place, `device_cas[${i}].group`)]),
    ]),
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

/** The path of the entry that refers, and the member that does. */
export function placeOfReference({ path }: Reference): { entry: string; member: string } {
  const [entry = '', member = ''] = path.split('.')
  return { entry, member: member.replace(/\[.*/, '') }
}
