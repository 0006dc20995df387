// Rights in words: scopes, single claims and `authorization_details` as people read them on the
// consent page, the page of a device code and in the list of applications.
import type { Messages } from '../messages/messages.ts'

/** A right that a client asks for or has. */
export type RightToShow =
  | { kind: 'scope' | 'claim'; name: string }
  /** RFC 9396 §2: a detail, with its objects by name. */
  | { kind: 'detail'; actions: readonly string[]; objects: readonly string[] }
  /** A detail that was allowed before. */
  | { kind: 'allowed_detail' }

const SCOPES = [
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'roles',
  'groups',
  'offline_access',
  'mqtt',
  'manage',
  'users:read',
  'users:write',
  'devices:read',
  'devices:write',
  'access:read',
  'access:write',
  'clients:read',
  'clients:write',
  'keys:read',
  'keys:write',
  'events:read',
  'events:write',
  'settings:read',
  'settings:write',
] as const

/** Single claims (OpenID Connect Core §5.1). */
const CLAIMS = [
  'name',
  'given_name',
  'family_name',
  'middle_name',
  'nickname',
  'preferred_username',
  'profile',
  'picture',
  'website',
  'gender',
  'birthdate',
  'zoneinfo',
  'locale',
  'email',
  'phone_number',
  'address',
  'updated_at',
  'email_verified',
  'phone_number_verified',
] as const

const ACTIONS = ['device:read', 'device:command', 'subscribe', 'publish'] as const

/** A name as it stands in keys. */
type InKey<name extends string> = name extends `${infer a}:${infer b}` ? `${a}_${b}` : name
const inKey = <name extends string>(name: name) => name.replace(':', '_') as InKey<name>

/** A scope as an action of the client. */
function scopeInWords(m: Messages, name: string): string {
  const scope = SCOPES.find((one) => one === name)
  return scope === undefined ? m('scope.other') : m(`scope.${inKey(scope)}`)
}

function claimInWords(m: Messages, name: string): string {
  const claim = CLAIMS.find((one) => one === name)
  return claim === undefined ? m('claim.other', { claim: name }) : m(`claim.${claim}`)
}

/** An action without words is shown as it is. */
function actionInWords(m: Messages, name: string): string {
  const action = ACTIONS.find((one) => one === name)
  return action === undefined ? name : m(`action.${inKey(action)}`)
}

/** The name of a right in the protocol. */
export function nameOfRight(right: RightToShow): string {
  if (right.kind === 'allowed_detail') return ''
  return right.kind === 'detail' ? right.actions.join(' ') : right.name
}

/** A right as the end of a sentence that begins with "It may then". */
export function rightInWords(m: Messages, right: RightToShow): string {
  switch (right.kind) {
    case 'scope':
      return scopeInWords(m, right.name)
    case 'claim':
      return claimInWords(m, right.name)
    case 'detail':
      return m('right.details', {
        actions: m.list(right.actions.map((one) => actionInWords(m, one))),
        objects: m.list(right.objects),
      })
    case 'allowed_detail':
      return m('right.details_allowed')
  }
}
