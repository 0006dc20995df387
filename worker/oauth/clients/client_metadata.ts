// Metadata of a client (RFC 7591): schemas that derive from its members (members.ts), rules for the
// client as a whole, and its form in the table and in the API. Creating, changing and deleting are
// clients.ts's; metadata of this server are server_metadata.ts's.
import { idSchema } from '../../access/principals.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { type Config, verifiesChains } from '../../environment.ts'
import { type FieldError, OAuthError, Problem } from '../../errors.ts'
import type { Settings } from '../../settings.ts'
import { GRANT_TYPES } from '../grant_types.ts'
import { managementAudience, parseScope } from '../scopes.ts'
import { memberFaults } from './member_faults.ts'
import {
  type AllMembers,
  AUTH_METHODS,
  type AuthMethod,
  INITIAL,
  inputShape,
  OWN_NAMES,
  patchShape,
  readMembers,
  shownShape,
  writeMembers,
} from './members.ts'
import { presetMembers, presetTokenTtl } from './presets.ts'
import { mayBeImpersonated, redirectUriFault } from './redirect_uris.ts'
import { secretSchema } from './secret_rules.ts'
import type { ClientColumns, ClientRow } from './store.ts'
import { subjectTypeFaults } from './subject_identifier.ts'

/**
 * Methods that this server offers: those by certificate only where entry/ knows certificates (RFC
 * 8705).
 */
export const authMethods = ({ mtls }: Config): readonly AuthMethod[] =>
  AUTH_METHODS.filter(
    (method) =>
      (method !== 'tls_client_auth' || verifiesChains(mtls)) &&
      (method !== 'self_signed_tls_client_auth' || mtls !== null),
  )

/**
 * Members that an initial access token may give the clients that are made with it: properties of
 * the client, never its rights.
 */
export const clientDefaults = z
  .strictObject(inputShape('client', 'initial_access_token'))
  .openapi('ClientDefaults')
export type ClientDefaults = z.infer<typeof clientDefaults>

/**
 * Members that a client gives of itself (RFC 7591 §2). Unknown members are ignored, as the RFC
 * demands.
 */
export const clientRegistration = z.object({ ...inputShape('client'), scope: patchShape.scope })
export type ClientRegistration = z.infer<typeof clientRegistration>

/** The body of a create, and an entry of the blueprint. */
export const clientInput = z
  .strictObject({
    client_id: idSchema.optional(),
    client_secret: secretSchema.optional(),
    ...inputShape('client', 'initial_access_token', 'operator'),
  })
  .openapi('ClientInput')
export type ClientInput = z.infer<typeof clientInput>

/** The body of an update: a merge patch (RFC 7396), where null takes an optional member away. */
export const clientPatch = z.strictObject(patchShape).openapi('ClientPatch')
export type ClientPatch = z.infer<typeof clientPatch>

/** A client as the API shows it. */
export const clientSchema = z
  .object({
    client_id: z.string(),
    ...shownShape,
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Client')

/** A client with its columns read. */
export type Client = AllMembers & {
  client_id: string
  created_at: number
  updated_at: number
  version: number
  /** How often it was disabled. */
  epoch: number
  /** Anybody may have registered it: no operator vouches for its addresses. */
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
    serves: JSON.parse(rest.serves),
    jwks: rest.jwks === null ? null : JSON.parse(rest.jwks),
    first_party: rest.first_party === 1,
    anonymous:
      metadata_expires_at !== null ||
      (registration_token_hash !== null && initial_access_token_id === null),
  }
}

/** The client as the API shows it. */
export function describeClient(client: Client): z.infer<typeof clientSchema> {
  const { version: _, anonymous: __, epoch: ___, scope, jwks, ...rest } = client
  return { ...rest, scope: scope.join(' '), jwks: jwks === null ? null : { keys: [...jwks.keys] } }
}

/** The members of a client, without the columns that only a stored one has. */
export type Description = AllMembers

/**
 * The client without the members that it gives of itself, which it gives anew (RFC 7592 §2.2). Its
 * scopes and grants stay.
 */
export const startOver = (current: Client): Description => ({
  ...current,
  ...Object.fromEntries(OWN_NAMES.map((name) => [name, INITIAL[name]])),
})

/**
 * `next` with the rights noted that a change takes away from `current`, or gives it again. Nothing
 * else would keep a document from bringing them back.
 */
export function withholding(current: Description, next: Description): Description {
  const left = <Name extends string>(
    noted: readonly Name[],
    before: readonly Name[],
    now: readonly Name[],
  ): Name[] => [...new Set([...noted, ...before])].filter((one) => !now.includes(one)).sort()
  const { withheld } = next
  return {
    ...next,
    withheld: {
      scope: left(withheld.scope, current.scope, next.scope),
      grant_types: left(withheld.grant_types, current.grant_types, next.grant_types),
      resources: left(withheld.resources, current.resources, next.resources),
    },
  }
}

export const usesSecret = (method: string) =>
  method === 'client_secret_basic' || method === 'client_secret_post'

// --- rules ------------------------------------------------------------------------------------

/** `current` with the members of `patch`. Throws Problem with every fault of the whole client. */
export function withChanges(
  cx: Context,
  settings: Settings,
  current: Description,
  patch: ClientPatch,
): Description {
  const errors: FieldError[] = []
  const { scope, ...rest } = patch
  const changes = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  )
  const { preset = current.preset } = patch
  const isNew = preset?.name !== current.preset?.name
  const next = { ...current, ...presetMembers(preset, isNew), ...changes } as Description
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
  const addresses = addressFaults(settings, current, next)
  errors.push(...addresses, ...faultsOf(cx, next), ...silenceFaults(cx, current, next))
  if (errors.length > 0) throw new Problem('invalid_request', 'the client cannot be so', errors)
  return next
}

function addressFaults(settings: Settings, current: Description, next: Description): FieldError[] {
  return (['redirect_uris', 'post_logout_redirect_uris'] as const).flatMap((member) =>
    next[member].flatMap((uri, i) => {
      // An address that the client has already stays when the setting goes.
      const isPlainPermitted = settings.private_network_redirects || current[member].includes(uri)
      const detail = redirectUriFault(uri, next, { isPlainPermitted })
      return detail === null ? [] : [{ pointer: `/${member}/${i}`, detail }]
    }),
  )
}

/**
 * A client that any program may pass itself off as cannot skip consent. One that was stored so goes
 * on, and is asked all the same, until its addresses or its authentication change.
 */
function silenceFaults(cx: Context, current: Description, next: Description): FieldError[] {
  const decisive = ({ first_party, token_endpoint_auth_method, redirect_uris }: Description) =>
    JSON.stringify([first_party, token_endpoint_auth_method, redirect_uris])
  if (!next.first_party || decisive(next) === decisive(current)) return []
  const uri = next.redirect_uris.find(
    (one) => URL.canParse(one) && mayBeImpersonated(cx.config.issuer, next, one),
  )
  if (uri === undefined) return []
  const detail = `is true, but any program may take ${uri}, so a public client there is always asked`
  return [{ pointer: '/first_party', detail }]
}

function faultsOf(cx: Context, client: Description): FieldError[] {
  const faults: FieldError[] = []
  const fault = (pointer: string, detail: string) => {
    faults.push({ pointer, detail })
  }
  const { grant_types, token_endpoint_auth_method: method } = client
  const redirecting = grant_types.find((one) => GRANT_TYPES[one].needs_redirect_uri)
  if (redirecting !== undefined && client.redirect_uris.length === 0) {
    fault('/redirect_uris', `is empty, but ${redirecting} needs one`)
  }
  if (
    grant_types.includes('refresh_token') &&
    !grant_types.some((one) => GRANT_TYPES[one].gives_refresh_token)
  ) {
    fault('/grant_types', 'has refresh_token without a grant that gives one')
  }
  const confidential = grant_types.find((one) => GRANT_TYPES[one].needs_authentication)
  if (confidential !== undefined && method === 'none') {
    fault(
      '/token_endpoint_auth_method',
      `is none, but ${confidential} needs a client that proves itself`,
    )
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
  if (client.serves.length > 0 && method === 'none') {
    fault('/serves', 'needs a client that proves itself')
  }
  const own = ownResources(cx)
  for (const member of ['resources', 'serves'] as const) {
    for (const [i, resource] of client[member].entries()) {
      const pointer = `/${member}/${i}`
      // RFC 8707 §2. An absolute URI has a colon and an id has none: no id of a registered client
      // equals a resource.
      if (!isResource(resource)) fault(pointer, 'is not an absolute URI without fragment')
      // A client that serves a resource may introspect the tokens for it.
      if (own.includes(resource)) fault(pointer, 'is our own: its scopes lead there')
    }
  }
  return faults
}

/** Resources that are this server and mProxy: no client names them as its own. */
export const ownResources = (cx: Context): readonly string[] => [
  cx.config.issuer,
  cx.config.mqtt_audience,
  managementAudience(cx),
]

/** Whether the client is one of the resource servers of this audience. */
export const isServedBy = (
  { serves }: Pick<Description, 'serves'>,
  audience: readonly string[],
): boolean => serves.some((one) => audience.includes(one))

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
    serves: JSON.stringify(client.serves),
    jwks: client.jwks === null ? null : JSON.stringify(client.jwks),
    first_party: client.first_party ? 1 : 0,
    access_token_ttl: client.access_token_ttl,
    members: writeMembers(client),
  }
}
