// The tables `client` and `client_secret`, and all rows that are deleted with a client.
import { client, client_secret } from '../../db/oauth_schema.ts'
import {
  COUNTER_JUMP,
  type Condition,
  condition,
  insertWhere,
  join,
  list,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'
import { deleteDeliveriesTo } from '../../deliveries.ts'

export type ClientRow = typeof client.$inferSelect
export type SecretRow = typeof client_secret.$inferSelect

/** The columns that an update may change. */
export type ClientColumns = Omit<
  ClientRow,
  | 'id'
  | 'created_at'
  | 'updated_at'
  | 'version'
  | 'registration_token_hash'
  | 'initial_access_token_id'
  | 'metadata_expires_at'
  | 'epoch'
>

export const findClientById = (id: string): Statement<ClientRow> =>
  sql`select * from client where id = ${id}`

export const findClientsByIds = (ids: readonly string[]): Statement<ClientRow> =>
  sql`select * from client where id in (${list(ids)})`

/** The group within which a client sees memberships, as SQL; null where it sees them all. */
export const groupsWithinOf = (id: string): Scalar =>
  scalar`(select json_extract(members, '$.groups_within') from client where id = ${id})`

/** The scopes of a client, as SQL. */
export const scopeOfClient = (id: string): Scalar =>
  scalar`(select scope from client where id = ${id})`

export const listClientsAfter = (after: string, limit: number): Statement<ClientRow> =>
  sql`select * from client where id > ${after} order by id limit ${limit}`

export const insertClient = (row: ClientRow, condition: Condition): Statement =>
  insertWhere(client, row, condition, sql<never>`on conflict (id) do nothing`)

/** A condition: the client exists at this version. */
export const clientIsAt = (id: string, version: number): Condition =>
  condition`exists (select 1 from client where id = ${id} and version = ${version})`

export const clientExists = (id: string): Condition =>
  condition`exists (select 1 from client where id = ${id})`

/** Demands that the client is at this version, or gone. */
export const demandClientVersion = (id: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from client where id = ${id} and version <> ${version})`,
    'client_version',
  )

/** Demands that the client stands as it was read, or one version behind it as wanted. */
export const demandClientBefore = ({ id, version }: ClientRow, wanted: ClientColumns): Statement =>
  refuseUnless(
    condition`${clientIsAt(id, version)} or exists (
      select 1 from client where id = ${id} and version = ${version + 1}
        and client_name is ${wanted.client_name} and status = ${wanted.status}
        and token_endpoint_auth_method = ${wanted.token_endpoint_auth_method}
        and application_type = ${wanted.application_type}
        and redirect_uris = ${wanted.redirect_uris}
        and post_logout_redirect_uris = ${wanted.post_logout_redirect_uris}
        and grant_types = ${wanted.grant_types} and scope = ${wanted.scope}
        and resources = ${wanted.resources} and serves = ${wanted.serves}
        and jwks is ${wanted.jwks}
        and first_party = ${wanted.first_party} and access_token_ttl is ${wanted.access_token_ttl}
        and members = ${wanted.members})`,
    'client_version',
  )

/**
 * Changes the named columns if the client is still at `version`. Disabling raises the epoch:
 * whatever was issued to the client before is dead, also when it is enabled again. So does the end
 * of `first_party`: nobody was asked about what people gave it.
 */
export function updateClient(
  id: string,
  version: number,
  changes: Partial<ClientColumns>,
  now: number,
): Statement {
  const assignments = (Object.entries(changes) as [keyof ClientColumns, string | number | null][])
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => ASSIGN[column](value))
  const { status = null, first_party = null } = changes
  if (status !== null || first_party !== null) {
    assignments.push(sql`epoch = epoch + (status = 'active' and ${status ?? 'active'} <> 'active')
      + (first_party = 1 and ${first_party ?? 1} = 0)`)
  }
  return sql`update client
    set ${join(assignments, ', ')}, updated_at = ${now}, version = version + 1
    where id = ${id} and version = ${version}`
}

/**
 * Binds what people allowed a client before its digest was kept to the client as it is at
 * `version`.
 */
export const bindAllowedScopes = (id: string, version: number, client_digest: string): Statement =>
  sql`update allowed_scope set client_digest = ${client_digest}
    where client_id = ${id} and client_digest is null and ${clientIsAt(id, version)}`

/** Sets the time until which the document of a client counts. */
export const updateDocumentExpiry = (id: string, expires_at: number): Statement =>
  sql`update client set metadata_expires_at = ${expires_at} where id = ${id}`

type Value = string | number | null

const ASSIGN: Record<keyof ClientColumns, (value: Value) => Statement> = {
  client_name: (value) => sql`client_name = ${value}`,
  status: (value) => sql`status = ${value}`,
  token_endpoint_auth_method: (value) => sql`token_endpoint_auth_method = ${value}`,
  application_type: (value) => sql`application_type = ${value}`,
  redirect_uris: (value) => sql`redirect_uris = ${value}`,
  post_logout_redirect_uris: (value) => sql`post_logout_redirect_uris = ${value}`,
  grant_types: (value) => sql`grant_types = ${value}`,
  scope: (value) => sql`scope = ${value}`,
  resources: (value) => sql`resources = ${value}`,
  serves: (value) => sql`serves = ${value}`,
  jwks: (value) => sql`jwks = ${value}`,
  first_party: (value) => sql`first_party = ${value}`,
  access_token_ttl: (value) => sql`access_token_ttl = ${value}`,
  members: (value) => sql`members = ${value}`,
}

/**
 * Deletes the client, its secrets, and all that people allowed it. Its principal stays, as a
 * tombstone.
 */
export function deleteClientRows(id: string, now: number): readonly Statement[] {
  return [
    sql`delete from client where id = ${id}`,
    sql`update authorization set revoked_at = ${now} where client_id = ${id} and revoked_at is null`,
    sql`delete from authorization_code where client_id = ${id}`,
    sql`delete from authorization_request where client_id = ${id}`,
    sql`delete from allowed_scope where client_id = ${id}`,
    sql`delete from client_secret where client_id = ${id}`,
    deleteDeliveriesTo(id),
  ]
}

// --- secrets ----------------------------------------------------------------------------------

/** All secrets of a client, also those that have run out: `findLiveSecret` judges them. */
export const listSecretsOf = (client_id: string): Statement<SecretRow> =>
  sql`select * from client_secret where client_id = ${client_id} order by created_at, id`

export const insertSecret = (row: SecretRow, condition: Condition = TRUE): Statement =>
  insertWhere(client_secret, row, condition, sql<never>`on conflict (id) do nothing`)

/** Demands that the new secret is stored, or that its client is at this version. */
export const demandClientOfSecret = ({ client_id, id }: SecretRow, version: number): Statement =>
  refuseUnless(
    condition`${secretExists(client_id, id)} or ${clientIsAt(client_id, version)}`,
    'client_version',
  )

/**
 * Demands that the new secret is stored, or that fewer than `max` others of its client are good at
 * `now`.
 */
export const demandRoomForSecret = ({ client_id, id }: SecretRow, max: number, now: number) =>
  refuseUnless(
    condition`${secretExists(client_id, id)} or (select count(*) from client_secret
      where client_id = ${client_id} and (expires_at is null or expires_at > ${now})) < ${max}`,
    'client_secrets_full',
  )

/** Lets all secrets of a client but one run out at `at`, unless they do so sooner. */
export const expireOtherSecrets = (client_id: string, but: string, at: number): Statement =>
  sql`update client_secret set expires_at = ${at}
    where client_id = ${client_id} and id <> ${but} and (expires_at is null or expires_at > ${at})`

/** A condition: the secret exists. */
export const secretExists = (client_id: string, id: string): Condition =>
  condition`exists (select 1 from client_secret where client_id = ${client_id} and id = ${id})`

/**
 * Takes a secret away before its end. The end 0 comes first: a trigger ends by it the tokens that
 * came by the secret, as it does not when one has run out.
 */
export const takeSecret = (
  client_id: string,
  id: string,
  when: Condition = TRUE,
): readonly Statement[] => [
  sql`update client_secret set expires_at = 0
    where client_id = ${client_id} and id = ${id} and ${when}`,
  sql`delete from client_secret where client_id = ${client_id} and id = ${id} and ${when}`,
]

/** Takes all secrets of a client away but one. */
export const takeOtherSecrets = (client_id: string, but: string): readonly Statement[] => [
  sql`update client_secret set expires_at = 0 where client_id = ${client_id} and id <> ${but}`,
  sql`delete from client_secret where client_id = ${client_id} and id <> ${but}`,
]

/** For the timer: secrets that have run out. */
export const deleteExpiredSecrets = (now: number): Statement =>
  sql`delete from client_secret where expires_at <= ${now}`

/** Moves the counters of all clients ahead, as `jumpUsers` does those of people. */
export const jumpClients = (): Statement =>
  sql`update client set version = version + ${COUNTER_JUMP}, epoch = epoch + ${COUNTER_JUMP}`
