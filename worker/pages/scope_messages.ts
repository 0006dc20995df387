// Texts of scopes, claims and actions for people: on the consent page, the page of a device code
// and the list of applications. All other texts are in messages.ts. Pure.

const SCOPES: ReadonlyMap<string, string> = new Map([
  ['openid', 'know who you are'],
  ['profile', 'see your name and language, and what else is in your profile'],
  ['email', 'see your e-mail address'],
  ['address', 'see your postal address'],
  ['phone', 'see your phone number'],
  ['roles', 'see which roles you have here'],
  ['groups', 'see which groups you belong to'],
  ['offline_access', 'keep this access while you are away'],
  ['mqtt', 'see and control the devices that you may use'],
  ['manage', 'manage everything here in your name'],
])

const MANAGED: ReadonlyMap<string, string> = new Map([
  ['users', 'people'],
  ['devices', 'devices'],
  ['access', 'groups, roles and who has access'],
  ['clients', 'applications'],
  ['keys', 'signing keys'],
  ['events', 'the record of events'],
  ['settings', 'settings'],
])

/** Single claims (OpenID Connect Core §5.5). */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['name', 'name'],
  ['given_name', 'first name'],
  ['family_name', 'last name'],
  ['middle_name', 'middle name'],
  ['nickname', 'nickname'],
  ['preferred_username', 'user name'],
  ['profile', 'profile page'],
  ['picture', 'picture'],
  ['website', 'web site'],
  ['gender', 'gender'],
  ['birthdate', 'birthdate'],
  ['zoneinfo', 'time zone'],
  ['locale', 'language'],
  ['email', 'e-mail address'],
  ['phone_number', 'phone number'],
  ['address', 'postal address'],
])

/** Claims with a sentence of their own, since their name is nothing that a client sees. */
const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['updated_at', 'see when your profile was changed last'],
  ['email_verified', 'see whether your e-mail address was verified'],
  ['phone_number_verified', 'see whether your phone number was verified'],
])

export const claimInWords = (claim: string): string =>
  SENTENCES.get(claim) ?? `see your ${NAMES.get(claim) ?? claim}`

/** A scope as an action of the client, in words. */
export function scopeInWords(scope: string): string {
  const [resource = '', verb] = scope.split(':')
  const managed = MANAGED.get(resource)
  if (managed !== undefined && verb === 'read') return `see ${managed} in your name`
  if (managed !== undefined && verb === 'write') return `change ${managed} in your name`
  return SCOPES.get(scope) ?? 'use what the application calls'
}

const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['device:read', 'see'],
  ['device:command', 'control'],
  ['subscribe', 'receive messages of'],
  ['publish', 'send messages for'],
])

/**
 * An action of `authorization_details` (RFC 9396) in words; one without words is shown as it is.
 */
export const actionInWords = (action: string): string => ACTIONS.get(action) ?? action

/** Details that a person allowed: of the objects that they name only a digest is kept. */
export const DETAILS_IN_WORDS = 'use devices and groups that it named when it asked you'
