// Presets: clients through which a voice assistant links the accounts of people. An entry in
// VENDORS holds all that is particular to a vendor. The rules for all vendors stand beside it:
// members of a client that a preset fills in, members that contradict it, and the treatment of such
// a client. The rest of oauth asks here and knows no vendor.
import { z } from '../../api.ts'
import { type FieldError, OAuthError } from '../../errors.ts'
import { isManagementScope } from '../scopes.ts'

export const presetSchema = z
  .discriminatedUnion('name', [
    z.strictObject({
      name: z.literal('google-home'),
      project_id: z
        .string()
        .regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'must be the id of a Google project'),
    }),
    z.strictObject({
      name: z.literal('alexa'),
      vendor_id: z.string().regex(/^[A-Z0-9]{6,30}$/, 'must be the vendor id that Amazon gave'),
    }),
  ])
  .openapi('Preset')

export type Preset = z.infer<typeof presetSchema>
export type PresetName = Preset['name']

type Vendor = {
  /** Name by which people know it. */
  title: string
  /** Addresses to which it sends people back, by the id that the vendor gave the operator. */
  addresses(id: string): string[]
  /** Name of the vendor's app in which people unlink. */
  app: string
  /** The vendor's privacy statement, if pages are to link it. */
  privacy_uri: string | null
  /** Parameter of the authorization request that names the person's language. */
  locale_parameter: 'user_locale' | null
  /** Whether the vendor knows only one refusal of the token endpoint: 400 with invalid_grant. */
  refuses_alike: boolean
}

export const VENDORS: Readonly<Record<PresetName, Vendor>> = {
  'google-home': {
    title: 'Google',
    addresses: (project_id) => [
      `https://oauth-redirect.googleusercontent.com/r/${project_id}`,
      `https://oauth-redirect-sandbox.googleusercontent.com/r/${project_id}`,
    ],
    app: 'Google Home',
    privacy_uri: 'https://policies.google.com/privacy',
    locale_parameter: 'user_locale',
    refuses_alike: true,
  },
  alexa: {
    title: 'Amazon Alexa',
    addresses: (vendor_id) => [
      `https://pitangui.amazon.com/api/skill/link/${vendor_id}`,
      `https://layla.amazon.com/api/skill/link/${vendor_id}`,
      `https://alexa.amazon.co.jp/api/skill/link/${vendor_id}`,
    ],
    app: 'Alexa',
    privacy_uri: null,
    locale_parameter: null,
    refuses_alike: false,
  },
}

/** The addresses that the vendor sends people back to; no others are allowed. */
export const vendorAddresses = (preset: Preset): string[] =>
  VENDORS[preset.name].addresses('vendor_id' in preset ? preset.vendor_id : preset.project_id)

// --- the client -------------------------------------------------------------------------------

/** Seconds. Alexa demands this much; vendors refresh whenever a token ends. */
export const LINKED_TOKEN_TTL_MIN = 360
const LINKED_TOKEN_TTL = 3600

/** Members of a client that a preset has rules for. */
type Members = {
  redirect_uris: readonly string[]
  grant_types: readonly string[]
  token_endpoint_auth_method: string
  access_token_format: string
  access_token_ttl: number | null
  require_pkce: boolean
  application_type: string
  first_party: boolean
  dpop_bound_access_tokens: boolean
  tls_client_certificate_bound_access_tokens: boolean
  require_pushed_authorization_requests: boolean
  require_signed_request_object: boolean
  authorization_signed_response_alg: string | null
  authorization_details_types: readonly string[]
  profile: string | null
}

/** Fixed members. */
const fixedMembers = (preset: Preset) =>
  ({
    redirect_uris: vendorAddresses(preset),
    grant_types: ['authorization_code', 'refresh_token'],
    // Google refuses JWTs as access tokens.
    access_token_format: 'opaque',
    application_type: 'web',
    // People must see each time that they link an account, also a person who was lured here by
    // somebody else's address.
    first_party: false,
    // No vendor supports these.
    dpop_bound_access_tokens: false,
    tls_client_certificate_bound_access_tokens: false,
    require_pushed_authorization_requests: false,
    require_signed_request_object: false,
    authorization_signed_response_alg: null,
    authorization_details_types: [],
    profile: null,
  }) as const

/** Default members, unless the operator sets others. */
const DEFAULT_MEMBERS = {
  token_endpoint_auth_method: 'client_secret_post',
  require_pkce: false,
} as const

/**
 * The members that a preset fills in where none are set; `isNew`: the client did not have this
 * preset before.
 */
export const presetMembers = (preset: Preset | null, isNew: boolean) =>
  preset === null ? {} : { ...fixedMembers(preset), ...(isNew ? DEFAULT_MEMBERS : {}) }

/** The lifetime of access tokens where none is set. */
export const presetTokenTtl = (preset: Preset | null): number | null =>
  preset === null ? null : LINKED_TOKEN_TTL

/** Members of a client that contradict its preset. */
export function presetFaults(
  client: Members & { preset: Preset | null; scope: readonly string[] },
): FieldError[] {
  const { preset, scope, access_token_ttl } = client
  if (preset === null) return []
  const faults: FieldError[] = []
  const fault = (name: string, detail: string) => {
    faults.push({ pointer: `/${name}`, detail: `${detail} (preset ${preset.name})` })
  }
  for (const [name, wanted] of Object.entries(fixedMembers(preset))) {
    const value = client[name as keyof Members]
    if (text(value) !== text(wanted)) fault(name, `must be ${text(wanted)} or left out`)
  }
  if (!isSecretMethod(client.token_endpoint_auth_method)) {
    const methods = 'client_secret_post or client_secret_basic'
    fault('token_endpoint_auth_method', `must be ${methods}: vendors know no other`)
  }
  if (access_token_ttl !== null && access_token_ttl < LINKED_TOKEN_TTL_MIN) {
    fault('access_token_ttl', `must be ${LINKED_TOKEN_TTL_MIN} seconds or more`)
  }
  if (scope.length === 0) fault('scope', 'is empty, but what is linked needs a scope')
  if (scope.includes('mqtt')) {
    fault('scope', 'has mqtt, for which access tokens cannot be opaque')
  }
  if (scope.some(isManagementScope)) {
    fault('scope', 'has management scopes, which no voice assistant is given')
  }
  return faults
}

/** A value as one text; the order of a list does not matter. */
const text = (value: unknown): string =>
  JSON.stringify(Array.isArray(value) ? value.toSorted() : value)

const isSecretMethod = (method: string) =>
  method === 'client_secret_post' || method === 'client_secret_basic'

type WithPreset = { preset: Preset | null }

/**
 * Whether the client may authenticate by this method too, beside its registered one: vendors choose
 * by themselves.
 */
export const mayAlsoUse = (client: WithPreset, method: string): boolean =>
  client.preset !== null && isSecretMethod(method)

// --- the protocol -----------------------------------------------------------------------------

/**
 * Whether a person's consent makes a link: it lasts until somebody ends it, does not depend on the
 * browser's session, and always comes with a refresh token, which stays the same. Only a person may
 * make one, so the page always asks.
 */
export const isLink = (client: WithPreset): boolean => client.preset !== null

/** The vendor's own parameter for the person's language. */
export const localeParameter = ({ preset }: WithPreset) =>
  preset === null ? null : VENDORS[preset.name].locale_parameter

/**
 * A refusal of the token endpoint in the words that the client's vendor knows. Faults of this
 * server stay as they are: to Google, invalid_grant means that the link is over, so it would give
 * up a good link when only the database is away.
 */
export function inVendorsWords({ preset }: WithPreset, error: OAuthError): OAuthError {
  if (preset === null || !VENDORS[preset.name].refuses_alike || error.status >= 500) return error
  return new OAuthError('invalid_grant', {
    description: '',
    reason: error.reason,
    cause: error.cause,
  })
}
