// grant_type=client_credentials (RFC 6749 §4.4): clients and devices act for themselves. With a
// secret it is one read and writes nothing; with an assertion the id of the assertion is written.
// Without `scope` a device gets `mqtt`; a client gets what it is registered for, as far as one
// audience holds it: that of the named resource, else all but the management scopes, or these when
// it has no others.
import { type RightsRows, rightsOf } from '../../../access/rights.ts'
import type { Context } from '../../../context.ts'
import { type Answers, unlessRefused } from '../../../db/database.ts'
import { endOf } from '../../../devices/credentials.ts'
import { noteUse } from '../../../devices/last_use.ts'
import { noteSeen, writeSeen } from '../../../devices/seen.ts'
import { OAuthError } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings, type Settings } from '../../../settings.ts'
import { findStatus } from '../../../status/entry_store.ts'
import { tellStatus } from '../../../status/telling.ts'
import { readWish } from '../../authorizations/authorizations.ts'
import {
  type Caller,
  isProven,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import {
  invalidClient,
  type PresentedCredentials,
} from '../../client_authentication/presented_credentials.ts'
import type { Client } from '../../clients/client_metadata.ts'
import { recentClient } from '../../clients/recent_clients.ts'
import { isManagementScope, managementAudience, PERSONAL_SCOPES, SELF_SCOPE } from '../../scopes.ts'
import { type AccessTokenClaims, accessTokenClaims } from '../../tokens/access_token.ts'
import {
  assertEntitled,
  type ClientBounds,
  earliest,
  entitlement,
  type FaultWords,
  knownScopes,
  type Wish,
} from '../../tokens/entitlement.ts'
import { policyReference } from '../../tokens/reference_token.ts'
import { answerToken, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = 'client_credentials'

/** Throws OAuthError. */
export function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const wish = readWish(form)
  // RFC 9396 §5: what is not obeyed is refused. Left out in silence, the token would hold more than
  // was asked.
  if (wish.authorization_details !== undefined) {
    throw new OAuthError('invalid_authorization_details', {
      description: 'this grant has no authorization_details',
      reason: 'details_not_offered',
    })
  }
  // The rights are for the acl claim, and dear to read: only where mProxy may become the audience,
  // by the request and by the client as it was read lately.
  const { client_id } = presented
  const isRegistered = recentClient(cx, client_id)?.scope.includes('mqtt') ?? true
  const isLikely = isRegistered && mayReachMqtt(cx, wish)
  const reads = {
    rights: isLikely ? rightsOf(client_id, cx.now()) : null,
    status: findStatus('client or device', client_id),
  }
  return { wish, reads }
}

/** Known before it is known who asks. A device with any other wish is refused. */
function mayReachMqtt(cx: Context, { scope, resource }: Wish): boolean {
  if (resource.length > 0) return resource.includes(cx.config.mqtt_audience)
  return scope === null || scope.length === 0 || scope.includes('mqtt')
}

type Parameters = ReturnType<typeof parameters>
/** Empty where they were not read. */
type MaybeRights = Answers<Parameters['reads']>['rights']

const badScope = (description: string, reason: Reason) =>
  new OAuthError('invalid_scope', { description, reason })

const BAD_TARGET: FaultWords = {
  description: 'this is not registered for the resource',
  reason: 'resource_not_registered',
}

const NO_SCOPE: FaultWords = {
  description: 'there is no scope that this token could have',
  reason: 'no_scope_left',
}

/** Throws OAuthError. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { wish }: Parameters,
  { rights, status }: Answers<Parameters['reads']>,
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
      ? deviceClaims(cx, caller, wish, rights, settings)
      : clientClaims(
          cx,
          caller,
          wish,
          await rightsOfClient(cx, caller.client, wish, rights),
          settings,
        )
  const { kind, id } = caller
  if (caller.kind === 'client') {
    await writeAs(cx, caller, null)
    return answerToken(cx, claims, await tellStatus(cx, kind, id, status))
  }
  const { credential, arrival } = caller
  const notes = [noteSeen(cx, caller.device), noteUse(cx, credential, isProven(cx, caller))].filter(
    (one) => one !== null,
  )
  // Where nothing else is written the device does not wait for it.
  const isBehind = caller.proofs.length === 0 && arrival === null
  if (notes.length > 0 && isBehind) cx.background(writeSeen(cx, notes))
  // Before there is a token: a certificate that is refused later has to be known by then.
  await unlessRefused(writeAs(cx, caller, isBehind ? null : [...(arrival ?? []), ...notes]), () => {
    throw invalidClient('certificate_not_taken')
  })
  const end = endOf(credential)
  return {
    ...(await answerToken(cx, claims, await tellStatus(cx, kind, id, status))),
    ...(end === null ? {} : { credential_expires_in: end - cx.now() }),
  }
}

/** A device is as if registered for mqtt, and for `self` about itself. */
const DEVICE = {
  scope: ['mqtt', SELF_SCOPE],
  resources: [],
  authorization_details_types: [],
} as const

function deviceClaims(
  cx: Context,
  { device, cnf, until }: Caller & { kind: 'device' },
  wish: Wish,
  rights: MaybeRights,
  settings: Settings,
): AccessTokenClaims {
  const { mqtt_audience } = cx.config
  const wanted = askedScope(DEVICE, wish)
  if (wanted?.some((one) => one !== 'mqtt' && one !== SELF_SCOPE)) {
    throw badScope('a device may ask for the scope mqtt, or for self', 'device_scope')
  }
  const own = { origin: device.id, epoch: device.epoch, sub: device.id, client_id: device.id, cnf }
  if (isAboutItself(cx, wanted, wish)) {
    const ttl = settings.device_access_token_ttl
    const audience = [managementAudience(cx)]
    return accessTokenClaims(cx, { ...own, ttl, audience, scope: [SELF_SCOPE], not_after: until })
  }
  if (device.status !== 'active') {
    throw badScope('nobody has claimed this device, so it has no topics', 'device_unclaimed')
  }
  if (wish.resource.some((one) => one !== mqtt_audience)) {
    throw new OAuthError('invalid_target', BAD_TARGET)
  }
  const rows = readRows(rights)
  const found = entitlement(cx, {
    covered: { scope: ['mqtt'], resource: [mqtt_audience] },
    wish: { scope: null, resource: [] },
    clients: [DEVICE],
    parties: [{ id: device.id, permissions: null, rights: rows }],
    acl_max_rules: settings.acl_max_rules,
  })
  const entitled = assertEntitled(found)
  return accessTokenClaims(cx, {
    ...own,
    // Good without the certificate, too: not every way to mProxy has TLS. DPoP is the device's own
    // wish.
    cnf: cnf !== null && 'x5t#S256' in cnf ? null : cnf,
    ttl: rows?.ownDevice[0]?.token_ttl ?? settings.device_access_token_ttl,
    reference: rows === undefined ? null : policyReference(rows),
    mqtt_client_id: device.mqtt_client_id,
    ...entitled,
    // The credential may be in other hands than those of the device, for as long as it is good.
    not_after: earliest(entitled.not_after, until),
  })
}

/**
 * Whether a device asks for the token with which it speaks about itself. Nothing hangs on that
 * token but being the device, so there is no entitlement to ask. Throws OAuthError for one that
 * would be for topics as well.
 */
function isAboutItself(cx: Context, wanted: readonly string[] | null, { resource }: Wish): boolean {
  const management = managementAudience(cx)
  const isNamed = resource.includes(management)
  if (!isNamed && (resource.length > 0 || !wanted?.includes(SELF_SCOPE))) return false
  const isMixed = resource.length > 1 || (!isNamed && wanted?.includes('mqtt'))
  if (isMixed || (wanted !== null && !wanted.includes(SELF_SCOPE))) {
    throw badScope('the scope self needs a token of its own', 'management_scope_mixed')
  }
  return true
}

function clientClaims(
  cx: Context,
  { client, cnf, until }: Caller & { kind: 'client' },
  wish: Wish,
  rights: MaybeRights,
  settings: Settings,
): AccessTokenClaims {
  const scope = askedScope(client, wish)
  // There is no person to tell about, and nothing to refresh.
  const personal = scope?.filter((one) => PERSONAL_SCOPES.includes(one)) ?? []
  if (personal.length > 0) {
    const words = `scopes about a person need a person: ${personal.join(' ')}`
    throw badScope(words, 'identity_scope')
  }
  const { resource } = wish
  const found = entitlement(cx, {
    covered: { scope: scope ?? defaultScope(client, resource), resource: null },
    wish: { scope, resource },
    clients: [client],
    // Of a client the registration is all the power.
    parties: [{ id: client.client_id, permissions: null, rights: readRows(rights) }],
    acl_max_rules: settings.acl_max_rules,
    isStrict: true,
    mayLackScope: true,
  })
  const entitled = assertEntitled(found, {
    no_scope: NO_SCOPE,
    no_management_role: NO_SCOPE,
    resource_not_registered: BAD_TARGET,
  })
  return accessTokenClaims(cx, {
    origin: client.client_id,
    epoch: client.epoch,
    sub: client.client_id,
    client_id: client.client_id,
    ttl: client.access_token_ttl ?? settings.access_token_ttl,
    format: client.access_token_format,
    cnf,
    ...entitled,
    not_after: earliest(entitled.not_after, until),
  })
}

/** The scopes that are asked for and known; null: none is asked for. Throws OAuthError. */
function askedScope(bounds: Pick<ClientBounds, 'scope'>, { scope }: Wish): string[] | null {
  if (scope === null) return null
  const known = knownScopes([bounds], scope)
  if (known.length === 0 && scope.length > 0) {
    throw badScope('none of these scopes is known here', 'unknown_scope')
  }
  return known
}

/** The rights of a client that was given the scope since it was read lately. */
const rightsOfClient = async (
  cx: Context,
  { client_id, scope }: Client,
  wish: Wish,
  rights: MaybeRights,
): Promise<MaybeRights> =>
  Array.isArray(rights) && scope.includes('mqtt') && mayReachMqtt(cx, wish)
    ? cx.db.read(rightsOf(client_id, cx.now()))
    : rights

const readRows = (rights: MaybeRights): RightsRows | undefined =>
  Array.isArray(rights) ? undefined : rights

/** With a resource everything, to be narrowed by it; otherwise as much as one audience can hold. */
function defaultScope(client: Client, resource: readonly string[]): string[] {
  const registered = client.scope.filter((one) => !PERSONAL_SCOPES.includes(one))
  if (resource.length > 0) return registered
  const plain = registered.filter((one) => !isManagementScope(one))
  return plain.length > 0 ? plain : registered
}
