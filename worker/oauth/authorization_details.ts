// Rich authorization requests (RFC 9396) with the one type `device`: named actions on named devices
// and groups. Says which details a client may ask for, whether granted details cover a request, and
// by which digest a consent is remembered. Which of them a person holds is access's to say.
import type { Narrowing } from '../access/narrowed_rights.ts'
import { ID_PATTERN } from '../access/principals.ts'
import { z } from '../api.ts'
import { sha256 } from '../crypto.ts'
import { OAuthError } from '../errors.ts'
import type { Reason } from '../refusals.ts'

const names = (pattern: RegExp, max: number) => z.array(z.string().regex(pattern)).max(max)

/** RFC 9396 §5: members that are not understood are refused, not ignored. */
const detailSchema = z
  .strictObject({
    type: z.literal('device'),
    actions: names(/^[A-Za-z0-9._:-]{1,100}$/, 20).min(1),
    devices: names(ID_PATTERN, 50).default([]),
    groups: names(ID_PATTERN, 50).default([]),
  })
  .refine(({ devices, groups }) => devices.length + groups.length > 0)

const detailsSchema = z.array(detailSchema).min(1).max(10)

/** One element of `authorization_details`. */
export type Detail = Narrowing & { type: 'device' }

const refuse = (description: string, reason: Reason) =>
  new OAuthError('invalid_authorization_details', { description, reason })

/** Reads the parameter. Throws OAuthError invalid_authorization_details (RFC 9396 §5). */
export function parseDetails(text: string | undefined): Detail[] | undefined {
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Without the words of the parser: they quote the parameter, and would go into the log.
    throw refuse('authorization_details is not JSON', 'details_no_json')
  }
  const read = detailsSchema.safeParse(value)
  if (!read.success) {
    throw refuse(
      'authorization_details must be a list of {"type":"device","actions":[...]} with devices or groups',
      'details_form',
    )
  }
  return read.data.map(({ type, actions, devices, groups }) => ({
    type,
    actions: unique(actions),
    devices: unique(devices),
    groups: unique(groups),
  }))
}

const unique = (values: readonly string[]) => [...new Set(values)].sort()

/** The details that a client may ask for. Throws OAuthError invalid_authorization_details. */
export function readDetails(
  client: { authorization_details_types: readonly string[] },
  text: string | undefined,
): Detail[] | undefined {
  const details = parseDetails(text)
  if (details?.some(({ type }) => !client.authorization_details_types.includes(type))) {
    throw refuse('this client is not registered for this type', 'details_type_not_registered')
  }
  return details
}

/** The stored details of a code or an authorization. */
export const storedDetails = (stored: string | null): Detail[] | undefined =>
  stored === null ? undefined : (JSON.parse(stored) as Detail[])

/**
 * The granted details that a token request asks for; all of them where it names none. Throws
 * OAuthError.
 */
export function narrowDetails(
  granted: readonly Detail[] | undefined,
  wanted: readonly Detail[] | undefined,
): readonly Detail[] | undefined {
  if (wanted === undefined) return granted
  const isCovered = (one: Detail) =>
    granted?.some(
      (other) =>
        one.actions.every((action) => other.actions.includes(action)) &&
        one.devices.every((id) => other.devices.includes(id)) &&
        one.groups.every((id) => other.groups.includes(id)),
    )
  // RFC 9396 §6.1
  if (!wanted.every(isCovered)) {
    throw refuse('the authorization does not cover these details', 'details_not_covered')
  }
  return wanted
}

/**
 * The name under which details that a person allowed are kept beside scopes. No scope of a client
 * can begin with it (RFC 6749 §3.3).
 */
export const digestOf = (details: readonly Detail[]): string =>
  `authorization_details"${sha256(JSON.stringify(details))}`

/** Whether an allowed entry stands for details, and not for a scope. */
export const isDigest = (allowed: string): boolean => allowed.startsWith('authorization_details"')
