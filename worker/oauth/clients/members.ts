// The members of a client (RFC 7591 §2, OpenID Connect Registration §2 and the standards named
// beside each): one entry holds all facts about one member. Schemas of the API and of registration,
// defaults and the stored form derive from it (client_metadata.ts); contradictions between members
// are member_faults.ts's. The effect of a member stands where it is obeyed.
import { idSchema } from '../../access/principals.ts'
import { lineSchema, z } from '../../api.ts'
import { TRUST_DAYS_MAX } from '../../settings/factor_settings.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../../settings.ts'
import { ACR_TWO_FACTORS } from '../acr.ts'
import { PERSON_CLAIMS, RIGHTS_CLAIMS } from '../claims.ts'
import { GRANT_TYPE_NAMES, type GrantTypeName } from '../grant_types.ts'
import { presetSchema } from './presets.ts'
import { clientJwksSchema, type Jwk } from './public_jwk.ts'

/** Types of RFC 9396 that a client may register for. */
export const DETAILS_TYPES = ['device'] as const

/** Algorithms with which this server signs for a client. */
export const OUR_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
export type OurAlgorithm = (typeof OUR_ALGORITHMS)[number]

/**
 * Algorithms that clients may sign with. `Ed25519` is the name in RFC 9864 for the algorithm that
 * is EdDSA here.
 */
export const CLIENT_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'] as const

export const AUTH_METHODS = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]

const text = lineSchema

const uris = (max: number) => z.array(z.string().min(1).max(2048)).max(max)

/** An address that people or this server open: https, or http on a loopback host. */
const webUri = z
  .string()
  .max(2048)
  .refine(isWebUri, 'must be an absolute https URL without fragment, user and password')

function isWebUri(uri: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(uri) || uri.includes('#') || !URL.canParse(uri)) return false
  const { protocol, hostname, username, password } = new URL(uri)
  if (username !== '' || password !== '') return false
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** OpenID Connect Core §6.2: the fragment may be a hash of the content. */
const requestUri = z
  .string()
  .max(512)
  .refine((uri) => isWebUri(uri.split('#')[0] ?? ''), 'must be an absolute https URL')

/**
 * The party that may set a member. `client`: the client itself, for its own properties.
 * `initial_access_token`: the operator, also in the defaults of such a token. `operator`: the
 * operator, for one client alone, since the member gives rights.
 */
export type SetBy = 'client' | 'initial_access_token' | 'operator'

/**
 * Members with a column of their own. An optional member may be null: a merge patch with null
 * removes it. `shown` is the schema of answers where that is less strict, so that a client that was
 * stored under an earlier rule is shown too. `gives_rights`: a client that replaces itself keeps at
 * most what it has of it, so that nothing comes back that an operator took away.
 */
export const COLUMN_MEMBERS = {
  client_name: {
    by: 'client',
    schema: text(100),
    shown: z.string(),
    optional: true,
    initial: null as string | null,
  },
  status: {
    by: 'operator',
    schema: z.enum(['active', 'disabled']),
    initial: 'active' as 'active' | 'disabled',
  },
  token_endpoint_auth_method: {
    by: 'client',
    schema: z.enum(AUTH_METHODS),
    initial: 'client_secret_basic' as AuthMethod,
  },
  application_type: {
    by: 'client',
    schema: z.enum(['web', 'native']),
    initial: 'web' as 'web' | 'native',
  },
  redirect_uris: {
    by: 'client',
    schema: uris(50),
    shown: z.array(z.string()),
    initial: [] as string[],
  },
  post_logout_redirect_uris: {
    by: 'client',
    schema: uris(50),
    shown: z.array(z.string()),
    initial: [] as string[],
  },
  // A client asks for grants when it is registered. Afterwards it can give some up, and no more.
  grant_types: {
    by: 'client',
    gives_rights: true,
    schema: z.array(z.enum(GRANT_TYPE_NAMES)).min(1).max(GRANT_TYPE_NAMES.length),
    initial: ['authorization_code'] as GrantTypeName[],
  },
  // A client may ask for scopes too, within the scopes of its permit.
  scope: { by: 'operator', schema: z.string().max(2048), initial: [] as string[] },
  // Resource servers that it may ask for.
  resources: {
    by: 'initial_access_token',
    schema: uris(20),
    shown: z.array(z.string()),
    initial: [] as string[],
  },
  // Resource servers that it is: it looks at tokens of others for these, and exchanges them.
  serves: {
    by: 'operator',
    schema: uris(20),
    shown: z.array(z.string()),
    initial: [] as string[],
  },
  jwks: {
    by: 'client',
    schema: clientJwksSchema,
    shown: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
    optional: true,
    initial: null as { keys: Jwk[] } | null,
  },
  first_party: { by: 'operator', schema: z.boolean(), initial: false as boolean },
  access_token_ttl: {
    by: 'initial_access_token',
    schema: z.int().min(60).max(ACCESS_TOKEN_TTL_MAX),
    shown: z.int(),
    optional: true,
    initial: null as number | null,
  },
} as const

const member = <const By extends SetBy, S extends z.ZodType>(
  by: By,
  schema: S,
  initial: z.infer<S>,
) => ({ by, schema, initial })

/** All claims that scopes bring, or some of them by name. */
const claimNames = (names: readonly string[]) =>
  z.union([z.literal('scopes'), z.array(z.enum(names)).max(names.length)])

const ourAlgorithm = z.enum(OUR_ALGORITHMS)

/**
 * Members that share one JSON column, without those at their initial value; null: not registered.
 */
export const JSON_MEMBERS = {
  // RFC 7591 §2
  client_uri: member('client', webUri.nullable(), null),
  logo_uri: member('client', webUri.nullable(), null),
  policy_uri: member('client', webUri.nullable(), null),
  tos_uri: member('client', webUri.nullable(), null),
  contacts: member('client', z.array(text(320)).max(10), []),
  software_id: member('client', text(200).nullable(), null),
  software_version: member('client', text(100).nullable(), null),
  jwks_uri: member('client', webUri.nullable(), null),
  // OpenID Connect Registration §2
  subject_type: member('client', z.enum(['public', 'pairwise']), 'public'),
  sector_identifier_uri: member('client', webUri.nullable(), null),
  id_token_signed_response_alg: member('client', ourAlgorithm, 'RS256'),
  userinfo_signed_response_alg: member('client', ourAlgorithm.nullable(), null),
  request_object_signing_alg: member(
    'client',
    z.enum(['none', ...CLIENT_ALGORITHMS]).nullable(),
    null,
  ),
  request_uris: member('client', z.array(requestUri).max(20), []),
  token_endpoint_auth_signing_alg: member('client', z.enum(CLIENT_ALGORITHMS).nullable(), null),
  default_max_age: member('client', z.int().min(0).max(999_999_999).nullable(), null),
  require_auth_time: member('client', z.boolean(), false),
  default_acr_values: member('client', z.array(text(200)).max(10), []),
  initiate_login_uri: member('client', webUri.nullable(), null),
  // OpenID Connect Back-Channel Logout §2.2
  backchannel_logout_uri: member('client', webUri.nullable(), null),
  backchannel_logout_session_required: member('client', z.boolean(), false),
  // RFC 9126 §6, RFC 9101 §10.5, RFC 9449 §5.2, RFC 8705 §2.1.2 and §3.4, RFC 9396 §10
  require_pushed_authorization_requests: member('client', z.boolean(), false),
  require_signed_request_object: member('client', z.boolean(), false),
  dpop_bound_access_tokens: member('client', z.boolean(), false),
  tls_client_certificate_bound_access_tokens: member('client', z.boolean(), false),
  tls_client_auth_subject_dn: member('client', text(1000).nullable(), null),
  tls_client_auth_san_dns: member('client', text(253).nullable(), null),
  tls_client_auth_san_uri: member('client', text(2048).nullable(), null),
  tls_client_auth_san_ip: member('client', text(45).nullable(), null),
  tls_client_auth_san_email: member('client', text(320).nullable(), null),
  authorization_details_types: member(
    'initial_access_token',
    z.array(z.enum(DETAILS_TYPES)).max(1),
    [],
  ),
  // JARM §3, RFC 9701 §6
  authorization_signed_response_alg: member('client', ourAlgorithm.nullable(), null),
  introspection_signed_response_alg: member('client', ourAlgorithm.nullable(), null),
  // Claims that scopes bring, in tokens too (OpenID Connect Core §5.4, RFC 9068 §2.2.3.1).
  id_token_claims: member('client', claimNames([...PERSON_CLAIMS, ...RIGHTS_CLAIMS]), []),
  access_token_claims: member('client', claimNames(RIGHTS_CLAIMS), 'scopes'),
  groups_claim: member('client', z.enum(['id_and_name', 'id', 'name']), 'id_and_name'),
  groups_within: member('initial_access_token', idSchema.nullable(), null),
  // members of this server alone
  // Not the client's own: it could take back the demand of an operator.
  require_acr: member('initial_access_token', z.enum([ACR_TWO_FACTORS]).nullable(), null),
  remember_browser_days: member(
    'initial_access_token',
    z.int().min(0).max(TRUST_DAYS_MAX).nullable(),
    null,
  ),
  require_pkce: member('initial_access_token', z.boolean(), true),
  access_token_format: member('initial_access_token', z.enum(['jwt', 'opaque', 'paseto']), 'jwt'),
  profile: member('initial_access_token', z.enum(['fapi2']).nullable(), null),
  preset: member('initial_access_token', presetSchema.nullable(), null),
  // Rights that an operator took away from a client with a document, which asks for them each time
  // that it is read.
  withheld: member(
    'operator',
    z.strictObject({
      scope: z.array(z.string().max(200)).max(100),
      grant_types: z.array(z.enum(GRANT_TYPE_NAMES)).max(GRANT_TYPE_NAMES.length),
      resources: uris(100),
    }),
    { scope: [], grant_types: [], resources: [] },
  ),
}

const ENTRIES = { ...COLUMN_MEMBERS, ...JSON_MEMBERS }
type Entries = typeof ENTRIES

type InitialOf<T extends Record<string, { initial: unknown }>> = { [K in keyof T]: T[K]['initial'] }
export type ClientMembers = { -readonly [K in keyof typeof JSON_MEMBERS]: InitialOf<Entries>[K] }
/** All members of a client, as the code has them. */
export type AllMembers = { -readonly [K in keyof Entries]: InitialOf<Entries>[K] }

const initialOf = <T extends Record<string, { initial: unknown }>>(entries: T) =>
  Object.fromEntries(
    Object.entries(entries).map(([name, { initial }]) => [name, initial]),
  ) as InitialOf<T>

/** Initial values: a client for which nothing else is set (RFC 7591 §2). */
export const INITIAL: AllMembers = initialOf(ENTRIES)

const INITIAL_JSON: ClientMembers = initialOf(JSON_MEMBERS)

// --- schemas ----------------------------------------------------------------------------------

type Input<E> = E extends { schema: infer S extends z.ZodType } ? z.ZodOptional<S> : never
type Patch<E> = E extends { schema: infer S extends z.ZodType; optional: true }
  ? z.ZodOptional<z.ZodNullable<S>>
  : Input<E>
type Laxer<E> = E extends { shown: infer S extends z.ZodType }
  ? S
  : E extends { schema: infer S extends z.ZodType }
    ? S
    : never
type Shown<E> = E extends { optional: true } ? z.ZodNullable<Laxer<E>> : Laxer<E>

type SetOf<By extends SetBy> = keyof {
  [K in keyof Entries as Entries[K]['by'] extends By ? K : never]: true
}

type Entry = {
  by: SetBy
  schema: z.ZodType
  shown?: z.ZodType
  optional?: true
  gives_rights?: true
}
const entriesOf = (by: readonly SetBy[]): [string, Entry][] =>
  Object.entries<Entry>(ENTRIES).filter(([, entry]) => by.includes(entry.by))

const shape = (entries: [string, Entry][], schemaOf: (entry: Entry) => z.ZodType) =>
  Object.fromEntries(entries.map(([name, entry]) => [name, schemaOf(entry)]))

/** The shape of an input with the members that `by` may set. */
export const inputShape = <By extends SetBy>(...by: readonly By[]) =>
  shape(entriesOf(by), ({ schema }) => schema.optional()) as {
    [K in SetOf<By>]: Input<Entries[K]>
  }

const all = entriesOf(['client', 'initial_access_token', 'operator'])

/** The shape of a merge patch (RFC 7396). */
export const patchShape = shape(all, ({ schema, optional }) =>
  (optional ? schema.nullable() : schema).optional(),
) as { [K in keyof Entries]: Patch<Entries[K]> }

/** The shape of a client as the API shows it. */
export const shownShape = shape(all, ({ schema, shown = schema, optional }) =>
  optional ? shown.nullable() : shown,
) as { [K in keyof Entries]: Shown<Entries[K]> }

/** Names of the members that a client replaces at will: its own, but for those that give rights. */
export const OWN_NAMES = entriesOf(['client'])
  .filter(([, { gives_rights }]) => gives_rights !== true)
  .map(([name]) => name) as SetOf<'client'>[]

// --- the stored form --------------------------------------------------------------------------

const JSON_NAMES = Object.keys(JSON_MEMBERS) as (keyof ClientMembers)[]

/** The members of a stored JSON object, initial values filled in. */
export const readMembers = (stored: string): ClientMembers =>
  stored === '{}' ? INITIAL_JSON : { ...INITIAL_JSON, ...JSON.parse(stored) }

/** The JSON object of the members, in one order, so that equal members give equal text. */
export const writeMembers = (client: ClientMembers): string =>
  JSON.stringify(
    Object.fromEntries(changedMembers(INITIAL_JSON, client).map((name) => [name, client[name]])),
  )

/** Names of the members in which two clients differ. */
export const changedMembers = (
  before: ClientMembers,
  after: ClientMembers,
): (keyof ClientMembers)[] =>
  JSON_NAMES.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
