// Settings that operators change while it runs: lifetimes and limits, kept in the table `setting`, each with a
// default. Read together with the signing keys by a cold process, then remembered for a minute.
import { z } from './api.ts'
import type { Context } from './context.ts'
import { recall, remember } from './context.ts'
import { type Statement, sql } from './db/sql.ts'

const seconds = (min: number, max: number) => z.int().min(min).max(max)
const DAY = 86_400

const publicKey = z
  .looseObject({ kty: z.enum(['EC', 'OKP', 'RSA']) })
  .refine((key) => !('d' in key || 'k' in key || 'p' in key), 'must be a public key')

/** Another issuer whose word about a person we take (RFC 7523 §2.1). */
const trustedIssuer = z
  .strictObject({
    issuer: z.string().min(1).max(2048),
    /** Where its keys are, or the keys themselves. */
    jwks_uri: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional(),
    jwks: z.strictObject({ keys: z.array(publicKey).min(1).max(10) }).optional(),
    /** The `aud` of its assertions, where that is not our issuer or token endpoint. */
    audience: z.string().min(1).max(2048).optional(),
    /** Whom `sub` or `email` names: `sub` is an id of a user here, `email` counts when it is verified on both sides. */
    subject: z.enum(['email', 'sub']),
    algorithms: z
      .array(z.enum(['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256']))
      .min(1)
      .optional(),
    /** Clients that may bring its assertions; absent: all that are registered for the grant. */
    clients: z.array(z.string().max(64)).max(50).optional(),
  })
  .refine(
    (one) => (one.jwks_uri === undefined) !== (one.jwks === undefined),
    'needs jwks_uri or jwks, one of the two',
  )

export type TrustedIssuer = z.infer<typeof trustedIssuer>

/**
 * Durations (`_ttl`) in seconds. The upper bounds of tokens bound how long a retired key stays published. An empty
 * `service_name` is the issuer's host, an empty `privacy_uri` none.
 */
export const settingsSchema = z.strictObject({
  code_ttl: seconds(10, 600),
  device_code_ttl: seconds(60, 1800),
  access_token_ttl: seconds(60, DAY),
  device_access_token_ttl: seconds(60, DAY),
  minted_token_max_ttl: seconds(60, 366 * DAY),
  id_token_ttl: seconds(60, 3600),
  refresh_token_idle_ttl: seconds(3600, 3650 * DAY),
  refresh_token_ttl: seconds(3600, 3650 * DAY),
  session_idle_ttl: seconds(300, 400 * DAY),
  session_ttl: seconds(300, 400 * DAY),
  request_ttl: seconds(60, 7200),
  par_ttl: seconds(10, 599),
  require_pushed_authorization_requests: z.boolean(),
  login_attempts_per_account: z.int().min(3).max(1000),
  login_attempts_per_address: z.int().min(3).max(100_000),
  login_attempts_window: seconds(60, DAY),
  acl_max_rules: z.int().min(1).max(1000),
  service_name: z
    .string()
    .max(60)
    .regex(/^[^\p{Cc}\p{Bidi_C}]*$/u, 'must not have control characters'),
  privacy_uri: z
    .string()
    .max(2048)
    .regex(/^(?:https:\/\/[\x21-\x7e]+)?$/, 'must be an https URL'),
  trusted_issuers: z
    .array(trustedIssuer)
    .max(20)
    .refine(
      (all) => new Set(all.map(({ issuer }) => issuer)).size === all.length,
      'names an issuer twice',
    ),
  /** Who may register clients by software: nobody, who has an initial access token, or anybody. */
  registration: z.enum(['off', 'token', 'open']),
  /** Whether a client may be named by the address of a document about itself. */
  client_id_metadata_documents: z.boolean(),
})

export type Settings = z.infer<typeof settingsSchema>

/** Names of the settings that are numbers. */
export type NumberSetting = {
  [name in keyof Settings]: Settings[name] extends number ? name : never
}[keyof Settings]

export const DEFAULT_SETTINGS: Settings = {
  code_ttl: 60,
  device_code_ttl: 600,
  access_token_ttl: 600,
  device_access_token_ttl: 3600,
  minted_token_max_ttl: 365 * DAY,
  id_token_ttl: 300,
  refresh_token_idle_ttl: 30 * DAY,
  refresh_token_ttl: 180 * DAY,
  session_idle_ttl: 12 * 3600,
  session_ttl: 30 * DAY,
  request_ttl: 1800,
  // RFC 9126 §2.2, and below the 600 s of FAPI 2.0 §5.3.2.2
  par_ttl: 90,
  require_pushed_authorization_requests: false,
  login_attempts_per_account: 10,
  login_attempts_per_address: 50,
  login_attempts_window: 900,
  acl_max_rules: 100,
  service_name: '',
  privacy_uri: '',
  trusted_issuers: [],
  registration: 'token',
  client_id_metadata_documents: false,
}

/** Longest life of an access token that is issued without writing anything down. */
export const ACCESS_TOKEN_TTL_MAX = DAY

export const listSettings = () => sql<{ name: string; value: string }>`
  select name, value from setting`

/** Turns rows into settings and remembers them. Unknown or unreadable rows fall back to the default. */
export function acceptSettings(
  cx: Context,
  rows: readonly { name: string; value: string }[],
): Settings {
  const merged: Record<string, unknown> = { ...DEFAULT_SETTINGS }
  for (const row of rows) {
    const { shape } = settingsSchema
    const field = Object.hasOwn(shape, row.name) ? shape[row.name as keyof Settings] : undefined
    const value = field?.safeParse(parse(row.value))
    if (value?.success) merged[row.name] = value.data
    else cx.log('warn', 'a stored setting is not understood', { setting: row.name })
  }
  return remember(cx, 'settings', settingsSchema.parse(merged), 60)
}

function parse(stored: string): unknown {
  try {
    return JSON.parse(stored)
  } catch {
    return undefined
  }
}

/** The settings: remembered, or one round trip. */
export async function loadSettings(cx: Context): Promise<Settings> {
  const known = recall<Settings>(cx, 'settings')
  if (known !== undefined) return known
  const rows = await cx.db.read(listSettings())
  return acceptSettings(cx, rows)
}

/** `value` undefined: back to the default. */
export const putSetting = (cx: Context, name: string, value: unknown): Statement =>
  value === undefined
    ? sql`delete from setting where name = ${name}`
    : sql`insert into setting (name, value, updated_at) values (${name}, ${JSON.stringify(value)}, ${cx.now()})
        on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at`
