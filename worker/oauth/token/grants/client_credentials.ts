// grant_type=client_credentials (RFC 6749 §4.4): clients and devices act for themselves. With a secret it is one
// read and writes nothing; with an assertion the id of the assertion is written.
// Without `scope` a device gets `mqtt`; a client gets what it is registered for, as far as one audience holds
// it: that of the named resource, else all but the management scopes, or these when it has no others.
import { compileAcl, type RightsRows, rightsOf } from '../../../access/rights.ts'
import type { Context } from '../../../context.ts'
import type { Answers } from '../../../db/database.ts'
import { OAuthError } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings, type Settings } from '../../../settings.ts'
import {
  type Asked,
  aclClaim,
  isRegisteredScope,
  mayNameResource,
  readAsked,
} from '../../authorizations/authorizations.ts'
import { type Caller, writeAs } from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import {
  IDENTITY_SCOPES,
  isManagementScope,
  managementAudience,
  resolveAudience,
} from '../../scopes.ts'
import { type AccessTokenClaims, accessTokenClaims } from '../../tokens/access_token.ts'
import { answerToken, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = 'client_credentials'

/** Throws OAuthError. */
export function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const asked = readAsked(form)
  // RFC 9396 §5: what is not obeyed is refused. Left out in silence, the token would hold more than was asked.
  if (asked.authorization_details !== undefined) {
    throw new OAuthError('invalid_authorization_details', {
      description: 'this grant has no authorization_details',
      reason: 'details_not_offered',
    })
  }
  // The rights are for the acl claim, and dear to read: only where mProxy may become the audience.
  const rights = mayReachMqtt(cx, asked) ? rightsOf(presented.client_id, cx.now()) : null
  return { asked, reads: { rights } }
}

/** Known before it is known who asks. A device with any other wish is refused. */
function mayReachMqtt(cx: Context, { scope, resource }: Asked): boolean {
  if (resource.length > 0) return resource.includes(cx.config.mqtt_audience)
  return scope === null || scope.length === 0 || scope.includes('mqtt')
}

type Parameters = ReturnType<typeof parameters>
/** Empty where they were not read. */
type MaybeRights = Answers<Parameters['reads']>['rights']

const badScope = (description: string, reason: Reason) =>
  new OAuthError('invalid_scope', { description, reason })

const badTarget = () =>
  new OAuthError('invalid_target', {
    description: 'this is not registered for the resource',
    reason: 'resource_not_registered',
  })

/** Throws OAuthError. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { asked }: Parameters,
  { rights }: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  // RFC 6749 §4.4: confidential clients alone
  if (caller.method === 'none') {
    throw new OAuthError('unauthorized_client', {
      description: 'this grant needs a client that authenticates',
      reason: 'public_client',
    })
  }
  const settings = await loadSettings(cx)
  const claims =
    caller.kind === 'device'
      ? deviceClaims(cx, caller, asked, rights, settings)
      : clientClaims(cx, caller, asked, rights, settings)
  await writeAs(cx, caller, null)
  return answerToken(cx, claims)
}

function deviceClaims(
  cx: Context,
  { device, cnf }: Caller & { kind: 'device' },
  { scope, resource }: Asked,
  rights: MaybeRights,
  settings: Settings,
): AccessTokenClaims {
  const { mqtt_audience } = cx.config
  if (scope?.some((one) => one !== 'mqtt')) {
    throw badScope('a device may ask for the scope mqtt', 'device_scope')
  }
  if (resource.some((one) => one !== mqtt_audience)) throw badTarget()
  return accessTokenClaims(cx, {
    origin: device.id,
    sub: device.id,
    client_id: device.id,
    audience: [mqtt_audience],
    scope: ['mqtt'],
    ttl: settings.device_access_token_ttl,
    ...aclClaim(settings, (max) => compileAcl(cx, device.id, read(rights), max)),
    mqtt_client_id: device.mqtt_client_id,
    cnf,
  })
}

function clientClaims(
  cx: Context,
  { client, cnf }: Caller & { kind: 'client' },
  asked: Asked,
  rights: MaybeRights,
  settings: Settings,
): AccessTokenClaims {
  const { mqtt_audience } = cx.config
  const management = managementAudience(cx)
  // There is no person to be told about, and nothing to refresh.
  if (asked.scope?.some((one) => IDENTITY_SCOPES.includes(one))) {
    throw badScope('scopes about a person need a person', 'identity_scope')
  }
  if (asked.scope?.some((one) => !isRegisteredScope(client, one))) {
    throw badScope('the client is not registered for this scope', 'scope_not_registered')
  }
  if (!asked.resource.every((one) => mayNameResource(cx, client, one, false))) throw badTarget()
  const registered = client.scope.filter((one) => !IDENTITY_SCOPES.includes(one))

  const { audience, scope } = resolveAudience(
    cx,
    asked.scope ?? defaultScope(registered, asked.resource),
    asked.resource,
  )
  if (scope.length === 0 && (asked.resource.length === 0 || audience.includes(management))) {
    throw badScope('there is no scope that this token could have', 'no_scope_left')
  }
  return accessTokenClaims(cx, {
    origin: client.client_id,
    sub: client.client_id,
    client_id: client.client_id,
    audience,
    scope,
    ttl: client.access_token_ttl ?? settings.access_token_ttl,
    format: client.access_token_format,
    cnf,
    ...(audience.includes(mqtt_audience)
      ? aclClaim(settings, (max) => compileAcl(cx, client.client_id, read(rights), max))
      : {}),
  })
}

function read(rights: MaybeRights): RightsRows {
  if (Array.isArray(rights)) throw new TypeError('an acl claim without rights that were read')
  return rights
}

/** With a resource everything, to be narrowed by it; otherwise what one audience can hold. */
function defaultScope(registered: readonly string[], resource: readonly string[]): string[] {
  if (resource.length > 0) return [...registered]
  const plain = registered.filter((one) => !isManagementScope(one))
  return plain.length > 0 ? plain : [...registered]
}
