// Grant types (RFC 6749 §1.3 and the standards that add some): one entry holds all that is true of one.

export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'

export const GRANT_TYPES = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  DEVICE_CODE,
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
] as const

/** Grants of a person, with which a refresh token may come. */
export const GIVES_REFRESH: readonly (typeof GRANT_TYPES)[number][] = [
  'authorization_code',
  DEVICE_CODE,
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
]

/** RFC 6749 §4.4 for client_credentials; whoever acts for others has to prove himself all the more. */
export const NEEDS_PROOF: readonly (typeof GRANT_TYPES)[number][] = [
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
]
