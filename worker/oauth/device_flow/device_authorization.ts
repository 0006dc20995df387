// The device authorization endpoint (RFC 8628 §3.1): a device that has no browser gets a code to
// poll with and a short one for a person to type elsewhere. The person's side is approval.ts's; the
// device's tokens are token/grants/device_code.ts's.
import type { Context } from '../../context.ts'
import { mac, macs, randomId, randomToken, sha256 } from '../../crypto.ts'
import { join, TRUE } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import type { Form } from '../../http.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import { checkDetails, checkResource, checkScope } from '../authorize/request.ts'
import { tooManyUnfinished, unfinishedRequests } from '../authorize/unfinished_requests.ts'
import {
  authenticate,
  type Caller,
  callerReads,
  isProven,
  usingUp,
  writeAs,
} from '../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../client_authentication/presented_credentials.ts'
import { DEVICE_CODE } from '../grant_types.ts'
import { findDeviceAuthorization, insertDeviceAuthorization } from './store.ts'

/** Seconds between two polls, until the device is told to slow down. */
const INTERVAL = 5

/** RFC 8628 §6.1: no vowels, so that no words come out, and no letter that looks like a digit. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const LENGTH = 8

/** RFC 8628 §3.2. */
export type DeviceAuthorizationAnswer = {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
  interval: number
}

/** Database round trips, warm: 2. Throws OAuthError. */
export async function startDeviceAuthorization(
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
): Promise<DeviceAuthorizationAnswer> {
  await signingKeys(cx)
  const settings = await loadSettings(cx)
  const rows = await cx.db.read(callerReads(cx, presented))
  const caller = await authenticate(cx, presented, rows)
  return usingUp(cx, caller, () => giveCodes(cx, caller, form, settings))
}

async function giveCodes(
  cx: Context,
  caller: Caller,
  form: Form,
  settings: Settings,
): Promise<DeviceAuthorizationAnswer> {
  if (caller.kind !== 'client' || !caller.client.grant_types.includes(DEVICE_CODE)) {
    throw new OAuthError('unauthorized_client', {
      description: 'the client is not registered for this grant type',
      reason: 'grant_type_not_registered',
    })
  }
  const { client } = caller
  // authentik CVE-2024-52287: a scope that the client is not registered for is not even shown to a
  // person
  const { scope } = checkScope(cx, client, form)
  const { resource } = checkResource(cx, client, form)
  const { authorization_details } = checkDetails(cx, client, form)

  const device_code = randomToken(cx)
  const hash = sha256(device_code)
  const now = cx.now()
  const expires_in = settings.device_code_ttl
  const unfinished = caller.method === 'none' ? unfinishedRequests(cx, settings) : null
  for (;;) {
    const user_code = randomUserCode(cx)
    const { row, count } = await writeAs(cx, caller, {
      count: unfinished?.take ?? null,
      insert: insertDeviceAuthorization(
        {
          hash,
          user_code_mac: userCodeMac(cx, user_code),
          client_id: client.client_id,
          scope: scope.join(' '),
          resource: JSON.stringify(resource),
          authorization_details:
            authorization_details === undefined ? null : JSON.stringify(authorization_details),
          status: 'pending',
          user_id: null,
          auth_time: null,
          amr: null,
          acr: null,
          sid: null,
          authorization_id: randomId(cx, 'azn'),
          interval: INTERVAL,
          polled_at: null,
          created_at: now,
          expires_at: now + expires_in,
          redeemed_by: null,
          epoch: 0,
        },
        join([isProven(cx, caller), unfinished?.isWithin ?? TRUE], ' and '),
      ),
      row: findDeviceAuthorization(hash),
    })
    if ((count[0]?.count ?? 0) > (unfinished?.max ?? 0)) throw tooManyUnfinished(settings)
    // Another row has that user code already, so another is drawn.
    if (row.length === 0) continue
    const verification_uri = `${cx.config.issuer}/device`
    return {
      device_code,
      user_code,
      verification_uri,
      verification_uri_complete: `${verification_uri}?user_code=${user_code}`,
      expires_in,
      interval: INTERVAL,
    }
  }
}

/** Eight letters with 34 bits between them, as `XXXX-XXXX`. */
function randomUserCode(cx: Context): string {
  let letters = ''
  while (letters.length < LENGTH) {
    for (const byte of cx.random(2 * LENGTH)) {
      // 240 is a multiple of 20, so every letter is equally likely.
      if (byte < 240 && letters.length < LENGTH) letters += LETTERS[byte % LETTERS.length]
    }
  }
  return showUserCode(letters)
}

const showUserCode = (letters: string) => `${letters.slice(0, 4)}-${letters.slice(4)}`

/**
 * A user code as a person types it, in the form in which it is shown; null when it cannot be one
 * (RFC 8628 §6.1).
 */
export function readUserCode(text: string | undefined): string | null {
  if (text === undefined || text.length > 40) return null
  const letters = text.toUpperCase().replaceAll(/[\s\p{P}]/gu, '')
  const isCode = letters.length === LENGTH && [...letters].every((one) => LETTERS.includes(one))
  return isCode ? showUserCode(letters) : null
}

/** The stored form of a user code: a MAC, since it has too few bits for a hash. */
export const userCodeMac = (cx: Context, user_code: string): string =>
  mac(cx, 'user code', user_code)

/** The stored forms that a user code may have, one for each present SECRET_KEY. */
export const userCodeMacs = (cx: Context, user_code: string): readonly string[] =>
  macs(cx, 'user code', user_code)
