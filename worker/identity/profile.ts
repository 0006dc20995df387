// The standard claims of a person (OpenID Connect Core §5.1) beyond name, language and e-mail,
// which have columns of their own. They are kept as one JSON object in the order below, so that
// equal profiles are equal text. One schema for the API, the blueprint and OpenAPI. Pure.
import { lineSchema, z } from '../api.ts'
import type { FieldError } from '../errors.ts'

/** Text of several lines, for addresses. */
const lines = z
  .string()
  .min(1)
  .max(500)
  .regex(/^(?:[^\p{Cc}\p{Cs}]|\r?\n)*$/u, 'must not contain control characters but line ends')

// Addresses of the web only, since others put them into links and images.
const webAddress = z
  .string()
  .max(2048)
  .refine(
    (uri) => /^https?:\/\/[\x21-\x7e]+$/i.test(uri) && URL.canParse(uri),
    'must be an http or https URL',
  )

/** OpenID Connect Core §5.1.1. */
const addressFields = {
  formatted: lines,
  street_address: lines,
  locality: lineSchema(200),
  region: lineSchema(200),
  postal_code: lineSchema(50),
  country: lineSchema(100),
}

const fields = {
  given_name: lineSchema(200),
  family_name: lineSchema(200),
  middle_name: lineSchema(200),
  nickname: lineSchema(200),
  preferred_username: lineSchema(200),
  profile: webAddress,
  picture: webAddress,
  website: webAddress,
  gender: lineSchema(50),
  /** `0000-MM-DD` without the year, `YYYY` the year alone. */
  birthdate: z.string().refine(isBirthdate, 'must be a date YYYY-MM-DD, 0000-MM-DD or YYYY'),
  zoneinfo: z
    .string()
    .max(100)
    .regex(
      /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){0,2}$/,
      'must be a time zone such as Europe/Paris',
    ),
  phone_number: z
    .string()
    .regex(/^\+[1-9]\d{1,14}(;ext=\d{1,10})?$/, 'must be an E.164 number such as +15550100'),
  phone_number_verified: z.boolean(),
  address: z
    .strictObject(addressFields)
    .partial()
    .refine((value) => Object.keys(value).length > 0, 'must not be empty'),
}

function isBirthdate(date: string): boolean {
  if (/^\d{4}$/.test(date)) return date !== '0000'
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date)
  if (match === null) return false
  // 2000 was a leap year, so that a 29 February without its year is one.
  const year = match[1] === '0000' ? '2000' : (match[1] ?? '')
  const day = new Date(`${year}-${match[2]}-${match[3]}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(`${year}-${match[2]}-`)
}

export const profileSchema = z.strictObject(fields).partial().openapi('Profile')
export type Profile = z.infer<typeof profileSchema>

/** The profile's part of a merge patch (RFC 7396): null takes a member away. */
export const profilePatch = z
  .strictObject(nullable({ ...fields, address: z.strictObject(nullable(addressFields)).partial() }))
  .partial()
  .openapi('ProfilePatch')
export type ProfilePatch = z.infer<typeof profilePatch>

function nullable<const T extends Record<string, z.ZodType>>(shape: T) {
  const entries = Object.entries(shape).map(([name, schema]) => [name, schema.nullable()])
  return Object.fromEntries(entries) as { [K in keyof T]: z.ZodNullable<T[K]> }
}

export const readProfile = (stored: string): Profile => JSON.parse(stored)

/** The profile as the JSON object that is stored. */
export function writeProfile(profile: Profile): string {
  const { address } = profile
  const whole = address === undefined ? profile : { ...profile, address: inOrder(address) }
  return JSON.stringify(inOrder(whole))
}

const ORDER = [...Object.keys(fields), ...Object.keys(addressFields)]

const inOrder = (object: object) =>
  Object.fromEntries(
    Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b)),
  )

/** The stored profile with the patch applied. */
export function withProfile(stored: string, patch: ProfilePatch): Profile {
  const current = readProfile(stored)
  const { address, ...rest } = patch
  const next = merge(current, rest)
  if (address !== undefined) {
    const merged = address === null ? {} : merge(current.address ?? {}, address)
    if (Object.keys(merged).length > 0) next.address = merged
    else delete next.address
  }
  // Only the old number was verified.
  if (next.phone_number !== current.phone_number && patch.phone_number_verified == null) {
    delete next.phone_number_verified
  }
  return next
}

type Nullable<T> = { [K in keyof T]?: T[K] | null | undefined }

function merge<T extends object>(current: T, patch: Nullable<T>): T {
  const merged = new Map(Object.entries(current))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else if (value !== undefined) merged.set(name, value)
  }
  return Object.fromEntries(merged) as T
}

/** Members that contradict each other. */
export const profileFaults = (profile: Profile): FieldError[] =>
  profile.phone_number_verified !== undefined && profile.phone_number === undefined
    ? [
        {
          pointer: '/profile/phone_number_verified',
          detail: 'has no phone_number that it is about',
        },
      ]
    : []
