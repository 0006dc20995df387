// grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4): a device asks again and
// again whether a person has allowed it, and gets an authorization with its first tokens, once.
import type { Context } from '../../../context.ts'
import { sha256 } from '../../../crypto.ts'
import type { Answers } from '../../../db/database.ts'
import { OAuthError } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import { isUsable } from '../../../identity/users.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings } from '../../../settings.ts'
import { findStatus } from '../../../status/entry_store.ts'
import { tellStatus } from '../../../status/telling.ts'
import { acrFor } from '../../acr.ts'
import { entitleClient, readWish, startAuthorization } from '../../authorizations/authorizations.ts'
import { epochOf, findUserOf } from '../../authorizations/store.ts'
import {
  type Caller,
  isProven,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import {
  consumeDeviceAuthorization,
  type DeviceAuthorizationRow,
  findAllowedDevice,
  isDeviceAuthorizationMine,
  sourceOfDeviceAuthorization,
  updatePoll,
} from '../../device_flow/store.ts'
import { DEVICE_CODE } from '../../grant_types.ts'
import { powersReads } from '../../tokens/powers.ts'
import { rightsClaimsReads } from '../../tokens/rights_claims.ts'
import { answerSignIn, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = DEVICE_CODE

/** Throws OAuthError invalid_request when the code is missing. */
export function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const device_code = form.get('device_code')
  if (device_code === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'device_code is needed',
      reason: 'missing_parameter',
    })
  }
  const hash = sha256(device_code)
  const source = sourceOfDeviceAuthorization(hash)
  const { client_id } = presented
  // The scope was asked at the device authorization endpoint; the rest may be narrowed (RFC 8707
  // §2.2, RFC 9396 §6).
  const wish = { ...readWish(form), scope: null }
  const reads = {
    device_authorization: findAllowedDevice(cx, hash),
    user: findUserOf(source.subject),
    powers: powersReads(cx, client_id, wish, source),
    claimRows: rightsClaimsReads(cx, client_id, source),
  }
  return { hash, wish, reads }
}

type Parameters = ReturnType<typeof parameters>

const refused = (reason: Reason) =>
  new OAuthError('invalid_grant', { description: 'the device code cannot be redeemed', reason })

/** Throws OAuthError. One write. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { hash, wish }: Parameters,
  rows: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  if (caller.kind !== 'client') throw refused('not_a_client')
  const { client } = caller
  const [row] = rows.device_authorization
  if (row === undefined) throw refused('unknown_device_code')
  if (row.client_id !== client.client_id) throw refused('device_code_of_another_client')
  cx.parties.sub = row.user_id
  if (row.redeemed_by !== null && row.redeemed_by !== cx.rid) throw refused('device_code_reused')
  if (row.expires_at <= cx.now()) {
    throw new OAuthError('expired_token', {
      description: 'the device code has run out; begin anew',
      reason: 'device_code_expired',
    })
  }
  if (row.status === 'denied') {
    throw new OAuthError('access_denied', {
      description: 'the person did not allow it',
      reason: 'device_code_denied',
      status: 400, // RFC 6749 §5.2
    })
  }
  if (row.status === 'pending') throw await refusalToWait(cx, caller, row)
  if (row.is_in_session !== 1) throw refused('session_ended')
  const [user] = rows.user
  // Keycloak CVE-2026-88770
  if (user === undefined || !isUsable(user)) throw refused('user_not_usable')
  if (row.epoch !== epochOf(user, client)) throw refused('disabled_since')

  const settings = await loadSettings(cx)
  const { user_id, auth_time, amr } = row
  if (user_id === null || auth_time === null || amr === null) {
    throw refused('device_code_not_decided')
  }
  const signIn = {
    id: row.authorization_id,
    user_id,
    client_id: client.client_id,
    scope: row.scope,
    resource: row.resource,
    auth_time,
    amr,
    acr: acrFor(JSON.parse(amr), client.default_acr_values),
    // The device has no part in the browser session in which it was allowed, and does not end with
    // it.
    sid: null,
    session_hash: null,
    claims: null,
    authorization_details: row.authorization_details,
    epoch: row.epoch,
  }
  const entitled = await entitleClient(cx, signIn, wish, caller, settings, rows)
  const isMine = isDeviceAuthorizationMine(cx, hash)
  const started = startAuthorization(cx, caller, signIn, settings, isMine)
  const answers = await writeAs(cx, caller, {
    code: consumeDeviceAuthorization(cx, hash, isProven(cx, caller)),
    authorization: started.statements,
    status: findStatus('authorization', signIn.id),
  })
  if (answers.code.length === 0) throw refused('device_code_not_consumed')
  const { refresh_token } = started
  const status = await tellStatus(cx, 'authorization', signIn.id, answers.status)
  return answerSignIn(cx, settings, entitled, signIn, { user, refresh_token, status })
}

/** RFC 8628 §3.5. Of parallel polls the first alone is in time. */
async function refusalToWait(
  cx: Context,
  caller: Caller,
  { hash, interval }: DeviceAuthorizationRow,
): Promise<OAuthError> {
  const [poll] = await writeAs(cx, caller, updatePoll(cx, hash, isProven(cx, caller)))
  const now = poll?.interval
  // Decided in this very moment: the next poll tells.
  return now !== undefined && now > interval
    ? new OAuthError('slow_down', {
        description: 'wait 5 seconds longer between two requests',
        reason: 'polled_too_soon',
      })
    : new OAuthError('authorization_pending', {
        description: 'the person has not decided yet',
        reason: 'device_code_pending',
      })
}
