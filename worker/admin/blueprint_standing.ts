// All that stands in the database of what a blueprint names: one read, however long the file is.
import { findGrantsByKeys } from '../access/grants.ts'
import { findGroupsByIds } from '../access/groups.ts'
import { findRolesByNames } from '../access/roles.ts'
import type { Context } from '../context.ts'
import { findAuthoritiesByNames } from '../devices/certificates/certificate_store.ts'
import { findDeviceTypesByNames } from '../devices/device_types.ts'
import { findDevicesByIds } from '../devices/devices.ts'
import { listConsentsByKeys, listVersionsByKeys } from '../identity/consents/consents.ts'
import { findUsersByAddresses, findUsersByUserNames } from '../identity/login_ids/login_id_store.ts'
import { signingKeys } from '../keys/signing_keys.ts'
import { findClientsByIds } from '../oauth/clients/clients.ts'
import { acceptSettings, listSettings } from '../settings.ts'
import { listStoredSecrets, storedSecretAmong } from '../stored_secrets.ts'
import { type Blueprint, keyOf, references } from './blueprint_document.ts'
import { Marks, RECORD_SECRET } from './blueprint_record.ts'
import {
  listMembershipsOf,
  listMqttClientIds,
  listNamedRoles,
  listNamedTypes,
  listPrincipals,
  listRecordedEntries,
  listTree,
} from './blueprint_store.ts'

/** Round trips: 1 read. */
export async function readStanding(cx: Context, blueprint: Blueprint) {
  // A secret that is made is sealed, and this says by which SECRET_KEY. Warm: no round trip.
  await signingKeys(cx)
  const { roles, groups, device_types, users, clients, devices, grants, consents } = blueprint
  const ids = [
    ...groups.map(({ id }) => id),
    ...clients.map(({ client_id }) => client_id),
    ...devices.map(({ id }) => id),
    ...users.flatMap(({ id }) => id ?? []),
    ...references(blueprint).flatMap(({ kind, name }) => (kind === 'principal' ? name : [])),
  ]
  const emails = [
    ...users.flatMap(({ email }) => email ?? []),
    ...grants.flatMap(({ subject }) => (subject.includes('@') ? subject : [])),
  ]
  // An account with an address is found by it.
  const userNames = users.flatMap(({ email, user_name }) =>
    email === undefined && user_name !== undefined ? user_name : [],
  )
  const {
    settings,
    roleRows,
    groupRows,
    typeRows,
    authorityRows,
    userRows,
    namedRows,
    clientRows,
    deviceRows,
    grantRows,
    consentRows,
    consentVersions,
    principals,
    mqttClientIds,
    tree,
    memberships,
    roleNames,
    typeNames,
    secrets,
    recorded,
  } = await cx.db.read({
    settings: listSettings(),
    roleRows: findRolesByNames(roles.map(keyOf.roles)),
    groupRows: findGroupsByIds(groups.map(keyOf.groups)),
    typeRows: findDeviceTypesByNames([
      ...device_types.map(keyOf.device_types),
      ...devices.map(({ type }) => type),
    ]),
    authorityRows: findAuthoritiesByNames(blueprint.device_cas.map(keyOf.device_cas)),
    userRows: findUsersByAddresses(emails),
    namedRows: findUsersByUserNames(userNames),
    clientRows: findClientsByIds(clients.map(keyOf.clients)),
    deviceRows: findDevicesByIds(devices.map(keyOf.devices)),
    grantRows: findGrantsByKeys(
      grants.map(({ subject, role, object }) => ({
        subject,
        role,
        object,
      })),
    ),
    consentRows: listConsentsByKeys(consents.map(keyOf.consents)),
    consentVersions: listVersionsByKeys(consents.map(keyOf.consents)),
    principals: listPrincipals(ids),
    mqttClientIds: listMqttClientIds(ids),
    tree: listTree(),
    memberships: listMembershipsOf(
      users.flatMap(({ email }) => email ?? []),
      userNames,
      cx.now(),
    ),
    roleNames: listNamedRoles(grants.map(({ role }) => role)),
    typeNames: listNamedTypes([
      ...devices.map(({ type }) => type),
      ...blueprint.device_cas.flatMap(({ device_type }) => device_type ?? []),
    ]),
    secrets: listStoredSecrets(),
    recorded: listRecordedEntries(),
  })
  const versionsOf = Map.groupBy(consentVersions, (row) => row.key)
  const { secret, making } = await storedSecretAmong(cx, RECORD_SECRET, secrets)
  return {
    settings: acceptSettings(cx, settings),
    roles: byKey(roleRows, (row) => row.name),
    groups: byKey(groupRows, (row) => row.id),
    device_types: byKey(typeRows, (row) => row.name),
    device_cas: byKey(authorityRows, (row) => row.name),
    users: byKey([...userRows, ...namedRows], (row) => row.named_key),
    clients: byKey(clientRows, (row) => row.id),
    devices: byKey(deviceRows, (row) => row.id),
    grants: new Map(grantRows.map((row) => [Number(row.position), row])),
    consents: new Map(
      consentRows.map((row) => [row.key, { row, versions: versionsOf.get(row.key) ?? [] }]),
    ),
    principals: byKey(principals, (row) => row.id),
    mqttClientIds: new Set(mqttClientIds.map((row) => row.id)),
    tree: new Map(tree.map((row) => [row.id, row.parent_id])),
    groupsOfUsers: Map.groupBy(memberships, (row) => row.member_id),
    roleNames: new Set(roleNames.map((row) => row.name)),
    typeNames: new Set(typeNames.map((row) => row.name)),
    settingNames: new Set(settings.map((row) => row.name)),
    marks: new Marks(secret),
    /** Statements that make the secret of the record, the first time. */
    making,
    recorded: byKey(recorded, (row) => row.key),
  }
}

export type Standing = Awaited<ReturnType<typeof readStanding>>

const byKey = <Row>(rows: readonly Row[], key: (row: Row) => string) =>
  new Map(rows.map((row) => [key(row), row]))
