// Scopes: their meaning, and the audience that they lead to (RFC 8707). Pure, but reads the
// configuration.
import { API_SCOPES } from '../api.ts'
import type { Context } from '../context.ts'
import { OAuthError } from '../errors.ts'

/** Scopes about a person (OpenID Connect Core §5.4, §11). */
export const IDENTITY_SCOPES: readonly string[] = [
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
]

/** Scopes about what a person may do and belongs to; each brings the claim of its name. */
export const RIGHTS_SCOPES: readonly string[] = ['roles', 'groups']

/** All scopes that tell about a person: nobody has them without one. */
export const PERSONAL_SCOPES: readonly string[] = [...IDENTITY_SCOPES, ...RIGHTS_SCOPES]

/** The scope of a device about itself, at /v1/self; nobody else has it there. */
export const SELF_SCOPE = 'self'

/** Scopes of the management API; `manage` is all of them. */
export const MANAGEMENT_SCOPES: readonly string[] = ['manage', ...API_SCOPES]

/** Scopes that this server gives a meaning. All others belong to the services of the customer. */
export const OUR_SCOPES: readonly string[] = [...PERSONAL_SCOPES, 'mqtt', ...MANAGEMENT_SCOPES]

export const isManagementScope = (scope: string): boolean => MANAGEMENT_SCOPES.includes(scope)

/** The audience of the management API and of access decisions. */
export const managementAudience = (cx: Context): string => `${cx.config.issuer}/v1`

/** RFC 6749 §3.3: scope-token is visible ASCII without `"` and `\`. Duplicates are dropped. */
export function parseScope(text: string | undefined): string[] {
  if (text === undefined) return []
  const scopes = text.split(' ').filter((scope) => scope !== '')
  if (scopes.some((scope) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) {
    throw new OAuthError('invalid_scope', {
      description: 'scope contains characters that are not allowed',
      reason: 'bad_scope_syntax',
    })
  }
  return [...new Set(scopes)]
}

export type Audience = { audience: string[]; scope: string[] }

/**
 * The audience of a token and the scopes that are left in it. `resource` holds the resources that
 * the request names, or those that the authorization covers. A named resource is the whole audience
 * and narrows the scope to its own. The management API never shares a token. Throws OAuthError
 * invalid_scope or invalid_target.
 */
export function resolveAudience(
  cx: Context,
  scope: readonly string[],
  resource: readonly string[],
): Audience {
  const { issuer, mqtt_audience } = cx.config
  const management = managementAudience(cx)
  const owner = (one: string) =>
    one === 'mqtt'
      ? mqtt_audience
      : isManagementScope(one)
        ? management
        : IDENTITY_SCOPES.includes(one)
          ? issuer
          : null // a scope of the customer's own resource servers

  if (resource.length > 0) {
    const unshared = resource.some((one) => one === management || one === mqtt_audience)
    if (unshared && resource.length > 1) {
      throw new OAuthError('invalid_target', {
        description: 'this resource cannot share a token with another one',
        reason: 'shared_audience',
      })
    }
    const foreign = resource.some((one) => ![issuer, mqtt_audience, management].includes(one))
    const left = scope.filter((one) => {
      // A service is told what a person may do, as this server is by userinfo.
      if (RIGHTS_SCOPES.includes(one)) return foreign || resource.includes(issuer)
      const mine = owner(one)
      return mine === null ? foreign : resource.includes(mine)
    })
    return { audience: [...resource], scope: left }
  }

  const mqtt = scope.includes('mqtt')
  const openid = scope.includes('openid')
  if (scope.some(isManagementScope)) {
    const alone = scope.every((one) => isManagementScope(one) || one === 'offline_access')
    if (!alone) {
      throw new OAuthError('invalid_scope', {
        description: 'management scopes need a token of their own: name the resource',
        reason: 'management_scope_mixed',
      })
    }
    return { audience: [management], scope: [...scope] }
  }
  if (mqtt && openid) return { audience: [mqtt_audience, issuer], scope: [...scope] }
  if (mqtt) return { audience: [mqtt_audience], scope: [...scope] }
  return { audience: [issuer], scope: [...scope] }
}
