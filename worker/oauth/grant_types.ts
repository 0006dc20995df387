// Grant types (RFC 6749 §1.3 and the standards that add some): one entry holds all facts about one
// grant type. Metadata, registration, the rules of clients and the token endpoint derive from it.
// The file of its name in token/grants/ redeems a grant; the token endpoint finds it by the entry.

export type GrantType = {
  /**
   * The party that may register it: the client itself, software with an initial access token, or an
   * operator alone.
   */
  registered_by: 'anybody' | 'initial_access_token' | 'operator'
  /** Whether a refresh token may come with it: a person gave the grant. */
  gives_refresh_token: boolean
  /** Whether the client has to authenticate. */
  needs_authentication: boolean
  /** Whether the client needs a redirect address. */
  needs_redirect_uri: boolean
  /** Whether devices may use it; a device acts for itself alone. */
  for_devices: boolean
  /**
   * Parameters of the token request that may come more than once, beside `resource` (RFC 8707 §2).
   */
  repeatable: readonly string[]
}

export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

const grantTypes = {
  authorization_code: {
    registered_by: 'anybody',
    gives_refresh_token: true,
    needs_authentication: false,
    needs_redirect_uri: true,
    for_devices: false,
    repeatable: [],
  },
  refresh_token: {
    registered_by: 'anybody',
    gives_refresh_token: false,
    needs_authentication: false,
    needs_redirect_uri: false,
    for_devices: false,
    repeatable: [],
  },
  client_credentials: {
    registered_by: 'initial_access_token',
    gives_refresh_token: false,
    needs_authentication: true, // RFC 6749 §4.4
    needs_redirect_uri: false,
    for_devices: true,
    repeatable: [],
  },
  [DEVICE_CODE]: {
    registered_by: 'initial_access_token',
    gives_refresh_token: true,
    needs_authentication: false,
    needs_redirect_uri: false,
    for_devices: false,
    repeatable: [],
  },
  // Clients with the last two act for others, so they must authenticate.
  [TOKEN_EXCHANGE]: {
    registered_by: 'operator',
    gives_refresh_token: false,
    needs_authentication: true,
    needs_redirect_uri: false,
    for_devices: false,
    repeatable: ['audience'], // RFC 8693 §2.1
  },
  [JWT_BEARER]: {
    registered_by: 'operator',
    gives_refresh_token: true,
    needs_authentication: true,
    needs_redirect_uri: false,
    for_devices: false,
    repeatable: [],
  },
} as const satisfies Record<string, GrantType>

export type GrantTypeName = keyof typeof grantTypes

export const GRANT_TYPES: Readonly<Record<GrantTypeName, GrantType>> = grantTypes

/** Names in the order in which metadata lists them. */
export const GRANT_TYPE_NAMES = Object.keys(grantTypes) as [GrantTypeName, ...GrantTypeName[]]

export const isGrantType = (name: unknown): name is GrantTypeName =>
  typeof name === 'string' && Object.hasOwn(grantTypes, name)

/**
 * Grant types that `by` may register: the client itself, or software with an initial access token.
 */
export const grantTypesFor = (by: 'anybody' | 'initial_access_token'): readonly GrantTypeName[] =>
  GRANT_TYPE_NAMES.filter((name) => {
    const { registered_by } = GRANT_TYPES[name]
    return registered_by === 'anybody' || registered_by === by
  })

/** Parameters that some grant accepts more than once. */
export const REPEATABLE_PARAMETERS: readonly string[] = [
  ...new Set(GRANT_TYPE_NAMES.flatMap((name) => GRANT_TYPES[name].repeatable)),
]
