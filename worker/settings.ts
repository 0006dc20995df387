// Settings that operators change while the worker runs, by /v1/settings and the blueprint
// (admin/settings_change.ts): lifetimes and limits, one entry of SETTINGS each. Changed settings
// are kept in the table `setting`. A cold process reads them together with the signing keys and
// remembers them for a minute. Variables are another thing: environment.ts.
import { API_SCOPES, lineSchema, z } from './api.ts'
import type { Context } from './context.ts'
import { recall, remember } from './context.ts'
import { type Statement, sql } from './db/sql.ts'
import { LOCALES } from './messages/locales.ts'
import { CONSENT_SETTINGS } from './settings/consent_settings.ts'
import { DEVICE_SETTINGS } from './settings/device_settings.ts'
import { FACTOR_SETTINGS } from './settings/factor_settings.ts'
import { PASSWORD_SETTINGS } from './settings/password_settings.ts'
import { PLACE_SETTINGS } from './settings/place_settings.ts'
import {
  type Setting,
  type SettingScope,
  settingEntry as setting,
} from './settings/setting_entry.ts'

export type { SettingScope }

const seconds = (min: number, max: number) => z.int().min(min).max(max)
const DAY = 86_400

/** Another issuer whose statements about a person count here (RFC 7523 §2.1). */
const trustedIssuer = z
  .strictObject({
    issuer: z.string().min(1).max(2048),
    /** Address of its keys, or the keys themselves. */
    jwks_uri: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional(),
    jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(50) }).optional(),
    /**
     * The `aud` of its assertions, where that is neither the issuer here nor the token endpoint.
     */
    audience: z.string().min(1).max(2048).optional(),
    /**
     * The claim that names the person: `sub` is an id of a user here, `email` counts when it is
     * verified on both sides.
     */
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

/** A scope (RFC 6749 §3.3) that is no power over this system: anybody may ask for it. */
const scopeOfAnybody = z
  .string()
  .max(200)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is no scope')
  .refine(
    (one) => !['manage', ...API_SCOPES].includes(one),
    'is a scope of the management API, which nobody gets unasked',
  )

/** RFC 8707 §2: an absolute URI without fragment. */
const resourceUri = z
  .string()
  .max(2048)
  .regex(/^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x22\x24-\x7e]+$/, 'is no absolute URI without fragment')
  .refine((uri) => URL.canParse(uri), 'is no absolute URI without fragment')

/** Fields of a person that can be demanded: `name`, and members of the profile. */
export const PROFILE_FIELDS = [
  'name',
  'given_name',
  'family_name',
  'middle_name',
  'nickname',
  'gender',
  'birthdate',
  'phone_number',
] as const

const severalOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.array(z.enum(values)).refine((all) => new Set(all).size === all.length, 'names one twice')

/**
 * Durations (`_ttl`) are in seconds. The upper bounds of tokens bound how long a retired key stays
 * published.
 */
export const SETTINGS = {
  code_ttl: setting({
    schema: seconds(10, 600),
    default: 60,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'How long an authorization code may wait to be redeemed.',
  }),
  device_code_ttl: setting({
    schema: seconds(60, 1800),
    default: 600,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'How long a device may wait for a person to allow it (RFC 8628).',
  }),
  access_token_ttl: setting({
    schema: seconds(60, DAY),
    default: 600,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long an access token counts that is about a person, or that a client got for itself, where the client has no `access_token_ttl`.',
  }),
  device_access_token_ttl: setting({
    schema: seconds(60, DAY),
    default: 3600,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'How long an access token counts that a device got for itself.',
  }),
  minted_token_max_ttl: setting({
    schema: seconds(60, 366 * DAY),
    default: 365 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'Longest life of a token that an operator mints for a device.',
  }),
  id_token_ttl: setting({
    schema: seconds(60, 3600),
    default: 300,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'How long an ID token counts.',
  }),
  refresh_token_idle_ttl: setting({
    schema: seconds(3600, 3650 * DAY),
    default: 30 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'After how long without use a refresh token ends; those of clients with a `preset` have no end.',
  }),
  refresh_token_ttl: setting({
    schema: seconds(3600, 3650 * DAY),
    default: 180 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long after the sign-in the last of its refresh tokens ends; those of clients with a `preset` have no end.',
  }),
  session_idle_ttl: setting({
    schema: seconds(300, 400 * DAY),
    default: 12 * 3600,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'After how long without use the session of a browser ends.',
  }),
  session_ttl: setting({
    schema: seconds(300, 400 * DAY),
    default: 30 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'How long after the sign-in the session of a browser ends.',
  }),
  request_ttl: setting({
    schema: seconds(60, 7200),
    default: 1800,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long a person may take from the request of a client to the answer: signing in, allowing, signing out.',
  }),
  // RFC 9126 §2.2, and below the 600 s of FAPI 2.0 §5.3.2.2
  par_ttl: setting({
    schema: seconds(10, 599),
    default: 90,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long after it was pushed a request must be opened in a browser (RFC 9126); then `request_ttl` counts.',
  }),
  require_pushed_authorization_requests: setting({
    schema: z.boolean(),
    default: false,
    unit: null,
    needs: 'manage',
    meaning:
      'Whether every client has to push its requests, apart from those with a `preset`, whose vendors cannot; else those that say so and those with `profile: fapi2`.',
  }),
  login_attempts_per_account: setting({
    schema: z.int().min(3).max(1000),
    default: 10,
    unit: 'attempts',
    needs: 'manage',
    meaning: 'How many wrong passwords or user codes one account may enter in a window.',
  }),
  login_attempts_per_address: setting({
    schema: z.int().min(3).max(100_000),
    default: 50,
    unit: 'attempts',
    needs: 'manage',
    meaning: 'How many wrong passwords or user codes may come from one address in a window.',
  }),
  login_attempts_window: setting({
    schema: seconds(60, DAY),
    default: 900,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'Length of the window in which wrong passwords, user codes and secrets are counted.',
  }),
  ...DEVICE_SETTINGS,
  ...PASSWORD_SETTINGS,
  ...CONSENT_SETTINGS,
  ...PLACE_SETTINGS,
  secret_attempts_per_address: setting({
    schema: z.int().min(3).max(100_000),
    default: 20,
    unit: 'attempts',
    needs: 'manage',
    meaning:
      'How many wrong secrets of one client or device may come from one address in a window; then none from there counts until the window ends.',
  }),
  unfinished_requests_per_address: setting({
    schema: z.int().min(10).max(1_000_000),
    default: 500,
    unit: 'attempts',
    needs: 'manage',
    meaning:
      'How many sign-ins and device codes may be begun from one address without a session or a secret, and not finished, within `request_ttl`.',
  }),
  secret_attempts_per_client: setting({
    schema: z.int().min(3).max(1_000_000),
    default: 1000,
    unit: 'attempts',
    needs: 'manage',
    meaning:
      'After how many wrong secrets of one client or device, from all addresses in a window, each request with a secret of it waits for a second. None is refused for it.',
  }),
  acl_max_rules: setting({
    schema: z.int().min(1).max(1000),
    default: 100,
    unit: 'rules',
    needs: 'settings:write',
    meaning:
      'How many rules for topics a token for mProxy may hold; a token that needs more is refused.',
  }),
  event_ttl: setting({
    schema: seconds(DAY, 3650 * DAY),
    default: 730 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning: 'How long events are kept.',
  }),
  failure_event_ttl: setting({
    schema: seconds(DAY, 3650 * DAY),
    default: 90 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long events are kept whose `outcome` is `failure`, such as refusals and failed sign-ins, where that is shorter than `event_ttl`.',
  }),
  mail_ttl: setting({
    schema: seconds(DAY, 3650 * DAY),
    default: 30 * DAY,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long the outbox keeps that a mail was sent, to whom and of which kind; links and codes are erased as soon as they are of no more use.',
  }),
  service_name: setting({
    schema: lineSchema(60).or(z.literal('')),
    default: '',
    unit: null,
    needs: 'settings:write',
    meaning: "How people know the service; empty: the issuer's host.",
  }),
  default_locale: setting({
    schema: z.enum(LOCALES),
    default: 'en',
    unit: null,
    needs: 'settings:write',
    meaning:
      'Language of pages (BCP 47) where neither the request nor the person, the account or the browser names one that is there.',
  }),
  privacy_uri: setting({
    schema: z
      .string()
      .max(2048)
      .regex(/^(?:https:\/\/[\x21-\x7e]+)?$/, 'must be an https URL'),
    default: '',
    unit: null,
    needs: 'settings:write',
    meaning:
      'The https address that pages link as the word of the service about privacy, where the client has no `policy_uri`; empty: none.',
  }),
  required_profile_fields: setting({
    schema: severalOf(PROFILE_FIELDS),
    default: [],
    unit: null,
    needs: 'settings:write',
    meaning:
      'Fields that people have to fill in before they go on after a sign-in: `name`, or members of the profile.',
  }),
  own_profile_fields: setting({
    schema: severalOf(PROFILE_FIELDS),
    default: ['name', 'given_name', 'family_name', 'middle_name', 'nickname', 'phone_number'],
    unit: null,
    needs: 'settings:write',
    meaning:
      'Fields that people change on the page of their account. Leave out what others rely on: a date of birth says from when somebody may agree alone.',
  }),
  ...FACTOR_SETTINGS,
  lapsed_consent_ends_access: setting({
    schema: z.boolean(),
    default: false,
    unit: null,
    needs: 'manage',
    meaning:
      'Whether the access of applications and linked assistants ends, within a minute, for a person who has not accepted a required text by the time it is demanded. Else it goes on, and the person is asked at the next sign-in.',
  }),
  trusted_issuers: setting({
    schema: z
      .array(trustedIssuer)
      .max(20)
      .refine(
        (all) => new Set(all.map(({ issuer }) => issuer)).size === all.length,
        'names an issuer twice',
      ),
    default: [],
    unit: null,
    needs: 'manage',
    meaning:
      'Issuers whose assertions about people clients may bring (`grant_type` jwt-bearer, RFC 7523).',
  }),
  sign_up: setting({
    schema: z.enum(['off', 'by_invitation', 'open']),
    default: 'off',
    unit: null,
    needs: 'manage',
    meaning:
      'Who makes an account: `off` nobody, `by_invitation` whoever has an invitation (`/v1/invitations`), `open` anybody with an address, on the page /sign-up.',
  }),
  public_api: setting({
    schema: z.boolean(),
    default: false,
    unit: null,
    needs: 'manage',
    meaning:
      'Whether a public surface (`SURFACE=public`) serves `/v1` to people whose roles reach some places alone, such as owners of homes and firms. Tokens that reach everything, and those of clients for themselves, open it on the internal surface alone.',
  }),
  closing_grace: setting({
    schema: z.int().min(0).max(365),
    default: 30,
    unit: 'days',
    needs: 'manage',
    meaning:
      'How many days after it was closed an account is deleted; until then its person can sign in and keep it. 0: at once.',
  }),
  sign_in_names: setting({
    schema: severalOf(['email', 'user_name']).min(1),
    default: ['email', 'user_name'],
    unit: null,
    needs: 'manage',
    meaning: 'Kinds of names with which people sign in, beside the password.',
  }),
  sign_in_links: setting({
    schema: z.enum(['off', 'on']),
    default: 'off',
    unit: null,
    needs: 'manage',
    meaning: 'Whether people may sign in by a link that is mailed to them, without a password.',
  }),
  registration: setting({
    schema: z.enum(['off', 'token', 'open']),
    default: 'token',
    unit: null,
    needs: 'manage',
    meaning:
      'Who registers clients by software (RFC 7591): `off` nobody, `token` the holder of an initial access token, `open` anybody.',
  }),
  private_network_redirects: setting({
    schema: z.boolean(),
    default: false,
    unit: null,
    needs: 'manage',
    meaning:
      'Whether clients that prove themselves may have redirect addresses of plain http in private networks: private and link-local addresses, names of one label, and names that end in `.local`, `.lan`, `.home.arpa` or `.internal`. Addresses that a client has already stay.',
  }),
  self_registered_scopes: setting({
    schema: z.array(scopeOfAnybody).max(50),
    default: ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'],
    unit: null,
    needs: 'manage',
    meaning:
      'Scopes that clients may have which nobody vouches for: those that register without an initial access token, when they do, and those that bring a document, each time it is read. None of the management API.',
  }),
  self_registered_resources: setting({
    schema: z.array(resourceUri).max(20),
    default: [],
    unit: null,
    needs: 'manage',
    meaning:
      'Resources (RFC 8707) that the same clients may ask for, as agents do: they get them as `resources` when they register, or when their document is read.',
  }),
  client_id_metadata_documents: setting({
    schema: z.boolean(),
    default: false,
    unit: null,
    needs: 'manage',
    meaning:
      'Whether a client may be named by the https address of a document about itself, which is fetched.',
  }),
}

type Table = typeof SETTINGS

export type Settings = { [name in keyof Table]: z.infer<Table[name]['schema']> }

const entries = Object.entries<Setting<z.ZodType>>(SETTINGS)

/** The scope that a change of the setting needs. */
export const scopeToChange = (name: string): SettingScope =>
  entries.find(([one]) => one === name)?.[1].needs ?? 'manage'

export const settingsSchema = z.strictObject(
  Object.fromEntries(
    entries.map(([name, { schema, meaning }]) => [
      name,
      schema.describe(`${meaning} A change needs the scope \`${scopeToChange(name)}\`.`),
    ]),
  ) as { [name in keyof Table]: Table[name]['schema'] },
)

export const DEFAULT_SETTINGS = Object.fromEntries(
  entries.map(([name, entry]) => [name, entry.default]),
) as Settings

/** Names of the settings that are numbers. */
export type NumberSetting = {
  [name in keyof Settings]: Settings[name] extends number ? name : never
}[keyof Settings]

/** Longest lifetime of an access token that is issued without a write. */
export const ACCESS_TOKEN_TTL_MAX = DAY

export const listSettings = () => sql<{ name: string; value: string }>`
  select name, value from setting`

/**
 * Turns rows into settings and remembers them. Unknown or unreadable rows fall back to the default.
 */
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
export const updateSetting = (cx: Context, name: string, value: unknown): Statement =>
  value === undefined
    ? sql`delete from setting where name = ${name}`
    : sql`insert into setting (name, value, updated_at) values (${name}, ${JSON.stringify(value)}, ${cx.now()})
        on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at`
