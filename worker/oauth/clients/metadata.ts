// What a client may be: the members it is registered with (RFC 7591 §2), what makes them a whole, and how they look
// in the table and in the API. How clients are made, changed and deleted is told in clients.ts.
import { idSchema } from '../../access/principals.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { type Config, verifiesChains } from '../../environment.ts'
import { type FieldError, OAuthError, Problem } from '../../errors.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../../settings.ts'
import { GIVES_REFRESH, GRANT_TYPES, NEEDS_PROOF } from '../grant_types.ts'
import { managementAudience, parseScope } from '../scopes.ts'
import {
  type ClientMembers,
  MEMBER_DEFAULTS,
  memberFaults,
  memberFields,
  readMembers,
  writeMembers,
} from './members.ts'
import { presetMembers, presetTokenTtl } from './presets.ts'
import { redirectUriFault } from './redirect_uris.ts'
import { secretSchema } from './secrets.ts'
import type { ClientColumns, ClientRow } from './store.ts'
import { subjectTypeFaults } from './subject_identifier.ts'

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/, 'must be base64url')

const uris = (max: number) => z.array(z.string().min(1).max(2048)).max(max)

/** Members of a public key (RFC 7517, RFC 7518 §6) that are kept; any others are ignored. */
export const jwkSchema = z
  .looseObject({
    kty: z.enum(['OKP', 'EC', 'RSA']),
    crv: z.enum(['Ed25519', 'P-256']).optional(),
    x: base64url.length(43).optional(),
    y: base64url.length(43).optional(),
    n: base64url.min(342, 'must have 2048 bits or more').max(1366).optional(),
    e: base64url.max(8).optional(),
    kid: z.string().min(1).max(200).optional(),
    alg: z.string().max(20).optional(),
    use: z.literal('sig').optional(),
    // RFC 7517 §4.7 and §4.9: the certificate, for self_signed_tls_client_auth
    'x5t#S256': base64url.length(43).optional(),
    x5c: z
      .array(
        z
          .string()
          .max(16_384)
          .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64'),
      )
      .min(1)
      .max(5)
      .optional(),
  })
  .refine((key) => !('d' in key || 'k' in key || 'p' in key), 'must be a public key')
  .refine(isWholeKey, 'lacks members of its kty, or mixes those of another')
  .transform(({ kty, crv, x, y, n, e, kid, alg, use, 'x5t#S256': thumbprint, x5c }) => ({
    ...{ kty, crv, x, y, n, e, kid, alg, use, 'x5t#S256': thumbprint, x5c: x5c?.slice(0, 1) },
  }))

function isWholeKey(key: {
  kty: string
  crv?: unknown
  x?: unknown
  y?: unknown
  n?: unknown
  e?: unknown
}) {
  if (key.kty === 'OKP') return key.crv === 'Ed25519' && key.x !== undefined
  if (key.kty === 'EC') return key.crv === 'P-256' && key.x !== undefined && key.y !== undefined
  return key.n !== undefined && key.e !== undefined
}

export const AUTH_METHODS = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]

/** The methods that there are: those by certificate only where a certificate can be known (RFC 8705). */
export const authMethods = ({ mtls }: Config): readonly AuthMethod[] =>
  AUTH_METHODS.filter(
    (method) =>
      (method !== 'tls_client_auth' || verifiesChains(mtls)) &&
      (method !== 'self_signed_tls_client_auth' || mtls !== null),
  )

const fields = {
  client_name: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[^\p{Cc}\p{Bidi_C}]*$/u, 'must not have control characters'),
  status: z.enum(['active', 'disabled']),
  token_endpoint_auth_method: z.enum(AUTH_METHODS),
  application_type: z.enum(['web', 'native']),
  redirect_uris: uris(50),
  post_logout_redirect_uris: uris(50),
  grant_types: z.array(z.enum(GRANT_TYPES)).min(1).max(GRANT_TYPES.length),
  scope: z.string().max(2048),
  resources: uris(20),
  jwks: z.strictObject({ keys: z.array(jwkSchema).min(1).max(10) }),
  first_party: z.boolean(),
  access_token_ttl: z.int().min(60).max(ACCESS_TOKEN_TTL_MAX),
  ...memberFields,
}

const optional = z.strictObject(fields).partial().shape

const { status: _status, first_party: _first_party, scope, ...described } = optional

/** What an initial access token may give the clients that are made with it: what they are, never what they may. */
export const clientDefaults = z.strictObject(described).openapi('ClientDefaults')
export type ClientDefaults = z.infer<typeof clientDefaults>

/** Members that a client may say of itself: they tell what it is. All others are an operator's, who says what it may. */
const OWN_MEMBERS = {
  client_name: true,
  token_endpoint_auth_method: true,
  application_type: true,
  redirect_uris: true,
  post_logout_redirect_uris: true,
  grant_types: true,
  jwks: true,
  jwks_uri: true,
  client_uri: true,
  logo_uri: true,
  policy_uri: true,
  tos_uri: true,
  contacts: true,
  software_id: true,
  software_version: true,
  subject_type: true,
  sector_identifier_uri: true,
  id_token_signed_response_alg: true,
  userinfo_signed_response_alg: true,
  request_object_signing_alg: true,
  request_uris: true,
  token_endpoint_auth_signing_alg: true,
  default_max_age: true,
  require_auth_time: true,
  default_acr_values: true,
  initiate_login_uri: true,
  backchannel_logout_uri: true,
  backchannel_logout_session_required: true,
  require_pushed_authorization_requests: true,
  require_signed_request_object: true,
  dpop_bound_access_tokens: true,
  tls_client_certificate_bound_access_tokens: true,
  tls_client_auth_subject_dn: true,
  tls_client_auth_san_dns: true,
  tls_client_auth_san_uri: true,
  tls_client_auth_san_ip: true,
  tls_client_auth_san_email: true,
  authorization_signed_response_alg: true,
  introspection_signed_response_alg: true,
} as const

/** What a client says of itself (RFC 7591 §2). What is not known is ignored, as the RFC wants it. */
export const clientRegistration = z.object({
  ...z.object(described).pick(OWN_MEMBERS).shape,
  scope,
})
export type ClientRegistration = z.infer<typeof clientRegistration>

/** The body of a create, and an entry of the blueprint. */
export const clientInput = z
  .strictObject({
    client_id: idSchema.optional(),
    client_secret: secretSchema.optional(),
    ...optional,
  })
  .openapi('ClientInput')
export type ClientInput = z.infer<typeof clientInput>

/** The body of an update: a merge patch (RFC 7396), where null takes an optional member away. */
export const clientPatch = z
  .strictObject({
    ...optional,
    client_name: fields.client_name.nullable().optional(),
    jwks: fields.jwks.nullable().optional(),
    access_token_ttl: fields.access_token_ttl.nullable().optional(),
  })
  .openapi('ClientPatch')
export type ClientPatch = z.infer<typeof clientPatch>

/** A client as the API shows it. */
export const clientSchema = z
  .object({
    client_id: z.string(),
    ...fields,
    client_name: z.string().nullable(),
    redirect_uris: z.array(z.string()),
    post_logout_redirect_uris: z.array(z.string()),
    resources: z.array(z.string()),
    jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).nullable(),
    access_token_ttl: z.int().nullable(),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Client')

export type Jwk = {
  kty: string
  kid?: string
  alg?: string
  use?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
  'x5t#S256'?: string
  x5c?: string[]
}

/** A client with its JSON columns read. */
export type Client = ClientMembers & {
  client_id: string
  client_name: string | null
  status: 'active' | 'disabled'
  token_endpoint_auth_method: AuthMethod
  application_type: 'web' | 'native'
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  grant_types: (typeof GRANT_TYPES)[number][]
  scope: string[]
  resources: string[]
  jwks: { keys: Jwk[] } | null
  first_party: boolean
  access_token_ttl: number | null
  created_at: number
  updated_at: number
  version: number
  /** Anybody may have made it: no operator stands behind its addresses. */
  anonymous: boolean
}

export function parseClient(row: ClientRow): Client {
  const {
    id,
    scope,
    members,
    registration_token_hash,
    initial_access_token_id,
    metadata_expires_at,
    ...rest
  } = row
  return {
    ...rest,
    ...readMembers(members),
    client_id: id,
    token_endpoint_auth_method:
      rest.token_endpoint_auth_method as Client['token_endpoint_auth_method'],
    redirect_uris: JSON.parse(rest.redirect_uris),
    post_logout_redirect_uris: JSON.parse(rest.post_logout_redirect_uris),
    grant_types: JSON.parse(rest.grant_types),
    scope: parseScope(scope),
    resources: JSON.parse(rest.resources),
    jwks: rest.jwks === null ? null : JSON.parse(rest.jwks),
    first_party: rest.first_party === 1,
    anonymous:
      metadata_expires_at !== null ||
      (registration_token_hash !== null && initial_access_token_id === null),
  }
}

/** The client as the API shows it. */
export function describeClient(client: Client): z.infer<typeof clientSchema> {
  const { version: _, anonymous: __, scope, jwks, ...rest } = client
  return { ...rest, scope: scope.join(' '), jwks: jwks === null ? null : { keys: [...jwks.keys] } }
}

/** What a client is when nothing else is said (RFC 7591 §2). */
export const DEFAULTS: Omit<
  Client,
  'client_id' | 'created_at' | 'updated_at' | 'version' | 'anonymous'
> = {
  client_name: null,
  status: 'active',
  token_endpoint_auth_method: 'client_secret_basic',
  application_type: 'web',
  redirect_uris: [],
  post_logout_redirect_uris: [],
  grant_types: ['authorization_code'],
  scope: [],
  resources: [],
  jwks: null,
  first_party: false,
  access_token_ttl: null,
  ...MEMBER_DEFAULTS,
}

export type Description = typeof DEFAULTS

/** The client without what it says of itself, for it to say that anew (RFC 7592 §2.2). Its scopes stay. */
export function startOver(current: Client): Description {
  const names = Object.keys(OWN_MEMBERS) as (keyof typeof OWN_MEMBERS)[]
  return { ...current, ...Object.fromEntries(names.map((name) => [name, DEFAULTS[name]])) }
}

export const usesSecret = (method: string) =>
  method === 'client_secret_basic' || method === 'client_secret_post'

// --- rules ------------------------------------------------------------------------------------

/** `current` with what `patch` says. Throws Problem with every fault of the whole. */
export function withChanges(cx: Context, current: Description, patch: ClientPatch): Description {
  const errors: FieldError[] = []
  const { scope, ...rest } = patch
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const { preset = current.preset } = patch
  const isNew = preset?.name !== current.preset?.name
  const next = { ...current, ...presetMembers(preset, isNew), ...given } as Description
  next.access_token_ttl ??= presetTokenTtl(preset)
  next.grant_types = [...new Set(next.grant_types)]
  if (scope !== undefined) {
    try {
      next.scope = parseScope(scope)
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      errors.push({ pointer: '/scope', detail: error.description })
    }
  }
  errors.push(...faultsOf(cx, next))
  if (errors.length > 0) throw new Problem('invalid_request', 'the client cannot be so', errors)
  return next
}

function faultsOf(cx: Context, client: Description): FieldError[] {
  const faults: FieldError[] = []
  const fault = (pointer: string, detail: string) => {
    faults.push({ pointer, detail })
  }
  for (const member of ['redirect_uris', 'post_logout_redirect_uris'] as const) {
    for (const [i, uri] of client[member].entries()) {
      const detail = redirectUriFault(uri, client.application_type)
      if (detail !== null) fault(`/${member}/${i}`, detail)
    }
  }
  const { grant_types, token_endpoint_auth_method: method } = client
  if (grant_types.includes('authorization_code') && client.redirect_uris.length === 0) {
    fault('/redirect_uris', 'is empty, but authorization_code needs one')
  }
  if (
    grant_types.includes('refresh_token') &&
    !GIVES_REFRESH.some((one) => grant_types.includes(one))
  ) {
    fault('/grant_types', 'has refresh_token without a grant that gives one')
  }
  const proven = grant_types.find((one) => NEEDS_PROOF.includes(one))
  if (proven !== undefined && method === 'none') {
    fault('/token_endpoint_auth_method', `is none, but ${proven} needs a client that proves itself`)
  }
  const hasKeys = client.jwks !== null || client.jwks_uri !== null
  if (['private_key_jwt', 'self_signed_tls_client_auth'].includes(method) && !hasKeys) {
    fault('/jwks', `is missing, but ${method} needs a key`)
  }
  if (!authMethods(cx.config).includes(method)) {
    fault('/token_endpoint_auth_method', `is ${method}, for which mutual TLS is not set up here`)
  }
  if (client.tls_client_certificate_bound_access_tokens && cx.config.mtls === null) {
    fault(
      '/tls_client_certificate_bound_access_tokens',
      'is true, but mutual TLS is not set up here',
    )
  }
  faults.push(...memberFaults(client), ...subjectTypeFaults(client))
  const own = [cx.config.issuer, cx.config.mqtt_audience, managementAudience(cx)]
  for (const [i, resource] of client.resources.entries()) {
    // RFC 8707 §2. An absolute URI has a colon and an id has none: no client id equals a resource.
    if (!isResource(resource)) fault(`/resources/${i}`, 'is not an absolute URI without fragment')
    // Also because who has a resource may introspect the tokens for it.
    if (own.includes(resource)) fault(`/resources/${i}`, 'is our own: its scopes lead there')
  }
  return faults
}

/** RFC 8707 §2: an absolute URI without fragment. */
export const isResource = (text: string): boolean =>
  text.length <= 2048 &&
  /^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x22\x24-\x7e]+$/.test(text) &&
  URL.canParse(text)

/** The columns of `client` that hold it. */
export function columnsOf(client: Description): ClientColumns {
  return {
    client_name: client.client_name,
    status: client.status,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    application_type: client.application_type,
    redirect_uris: JSON.stringify(client.redirect_uris),
    post_logout_redirect_uris: JSON.stringify(client.post_logout_redirect_uris),
    grant_types: JSON.stringify(client.grant_types),
    scope: client.scope.join(' '),
    resources: JSON.stringify(client.resources),
    jwks: client.jwks === null ? null : JSON.stringify(client.jwks),
    first_party: client.first_party ? 1 : 0,
    access_token_ttl: client.access_token_ttl,
    members: writeMembers(client),
  }
}
