// The checks of WebAuthn Level 3 (§7.1 of a new passkey, §7.2 of its use), without cookies and
// tables: a response of the browser in, the values that count out. Attestation is neither asked nor
// trusted, so a new passkey comes as the authenticator data alone, without a statement about it.
import {
  type AuthenticatorData,
  type ClientData,
  ClientDataType,
  createAssertionSignatureMessage,
  parseAuthenticatorData,
  parseClientDataJSON,
} from '@oslojs/webauthn'
import { type Bytes, decodeBase64url, encodeBase64url } from '../../crypto.ts'
import { parseJsonObject } from '../../http.ts'
import type { Reason } from '../../refusals.ts'
import { storedKey, verifySignature } from './credential_key.ts'

/** A response that does not count; the reason is for the log. */
export class PasskeyFault extends Error {
  readonly reason: Reason
  constructor(reason: Reason, cause?: unknown) {
    super(reason, { cause })
    this.reason = reason
  }
}

export type RelyingParty = { rp_id: string; origin: string }

/**
 * The names that passkeys are bound to: the host of the issuer, and its origin. Null where browsers
 * know none, since the host is an address.
 */
export function relyingParty(issuer: string): RelyingParty | null {
  const { hostname, origin } = new URL(issuer)
  if (/^[0-9.]+$|^\[/.test(hostname)) return null
  return { rp_id: hostname, origin }
}

/** Characters of a response, which has some hundred, and at most 1,400 more for a long id. */
const RESPONSE_MAX = 8192
const CREDENTIAL_ID_MAX = 1023 // §7.1
const TRANSPORTS = ['usb', 'nfc', 'ble', 'smart-card', 'hybrid', 'internal']

function readResponse(text: string): Record<string, unknown> {
  const response = text.length > RESPONSE_MAX ? null : parseJsonObject(text)
  if (response === null) throw new PasskeyFault('passkey_malformed')
  return response
}

function bytesOf(value: unknown): Bytes {
  const bytes = typeof value === 'string' ? decodeBase64url(value) : null
  if (bytes === null || bytes.length === 0) throw new PasskeyFault('passkey_malformed')
  return bytes
}

function idOf(value: unknown): string {
  const bytes = bytesOf(value)
  if (bytes.length > CREDENTIAL_ID_MAX) throw new PasskeyFault('passkey_malformed')
  return encodeBase64url(bytes)
}

export type PasskeyAssertion = {
  credential_id: string
  client_data: Bytes
  authenticator_data: Bytes
  signature: Bytes
  user_handle: string | null
}

/** Reads the response that a page sends. Throws PasskeyFault. */
export function readPasskeyAssertion(text: string): PasskeyAssertion {
  const response = readResponse(text)
  const handle = response['userHandle']
  return {
    credential_id: idOf(response['id']),
    client_data: bytesOf(response['clientDataJSON']),
    authenticator_data: bytesOf(response['authenticatorData']),
    signature: bytesOf(response['signature']),
    user_handle: handle === undefined || handle === null ? null : encodeBase64url(bytesOf(handle)),
  }
}

export type PasskeyRegistration = {
  credential_id: string
  client_data: Bytes
  authenticator_data: Bytes
  transports: readonly string[]
}

/** Reads the response that a page sends. Throws PasskeyFault. */
export function readPasskeyRegistration(text: string): PasskeyRegistration {
  const response = readResponse(text)
  const named: unknown = response['transports']
  return {
    credential_id: idOf(response['id']),
    client_data: bytesOf(response['clientDataJSON']),
    authenticator_data: bytesOf(response['authenticatorData']),
    // Hints for browsers, which know no others.
    transports: Array.isArray(named) ? TRANSPORTS.filter((one) => named.includes(one)) : [],
  }
}

function readClientData(bytes: Bytes): ClientData {
  try {
    return parseClientDataJSON(bytes)
  } catch (error) {
    throw new PasskeyFault('passkey_malformed', error)
  }
}

/** The challenge that a response answers. Throws PasskeyFault. */
export const challengeOf = ({ client_data }: { client_data: Bytes }): Uint8Array =>
  readClientData(client_data).challenge

/** Throws PasskeyFault. */
function checkClientData(bytes: Bytes, type: ClientDataType, { origin }: RelyingParty): void {
  const data = readClientData(bytes)
  if (data.type !== type) throw new PasskeyFault('passkey_malformed')
  // §13.4.9. Our pages stand in no frame.
  if (data.origin !== origin || data.crossOrigin === true) throw new PasskeyFault('passkey_origin')
}

const FLAG = { eligible: 0x08, backedUp: 0x10, credential: 0x40, extensions: 0x80 }

type Signed = {
  data: AuthenticatorData
  sign_count: number
  is_synced: boolean
  is_backed_up: boolean
}

/** Throws PasskeyFault. */
function checkAuthenticatorData(
  bytes: Bytes,
  { rp_id }: RelyingParty,
  { needsVerification }: { needsVerification: boolean },
): Signed {
  let data: AuthenticatorData
  try {
    data = parseAuthenticatorData(bytes)
  } catch (error) {
    throw new PasskeyFault('passkey_malformed', error)
  }
  const flags = bytes[32] ?? 0
  const has = (flag: number) => (flags & flag) !== 0
  if (bytes.length > 37 && !has(FLAG.credential) && !has(FLAG.extensions)) {
    throw new PasskeyFault('passkey_malformed')
  }
  if (!data.verifyRelyingPartyIdHash(rp_id)) throw new PasskeyFault('passkey_rp_id')
  if (!data.userPresent || (needsVerification && !data.userVerified)) {
    throw new PasskeyFault('passkey_unverified')
  }
  const is_synced = has(FLAG.eligible)
  const is_backed_up = has(FLAG.backedUp)
  // §6.1.3: nothing is backed up that cannot be.
  if (is_backed_up && !is_synced) throw new PasskeyFault('passkey_backup_state')
  // The parser reads 32 bits with a sign, so that the second half of the counts would be negative.
  return { data, sign_count: data.signatureCounter >>> 0, is_synced, is_backed_up }
}

export type NewPasskey = {
  credential_id: string
  public_key: string
  sign_count: number
  transports: readonly string[]
  aaguid: string
  is_synced: boolean
  is_backed_up: boolean
}

/**
 * A new passkey (§7.1). The caller compares the challenge.
 * Throws PasskeyFault.
 */
export async function checkRegistration(
  { client_data, authenticator_data, credential_id, transports }: PasskeyRegistration,
  party: RelyingParty,
  needs: { needsVerification: boolean },
): Promise<NewPasskey> {
  checkClientData(client_data, ClientDataType.Create, party)
  const signed = checkAuthenticatorData(authenticator_data, party, needs)
  const { credential } = signed.data
  if (credential === null || encodeBase64url(credential.id) !== credential_id) {
    throw new PasskeyFault('passkey_malformed')
  }
  const public_key = await storedKey(credential.publicKey)
  if (public_key === null) throw new PasskeyFault('passkey_algorithm')
  return {
    credential_id,
    public_key,
    sign_count: signed.sign_count,
    transports,
    aaguid: uuid(credential.authenticatorAAGUID),
    is_synced: signed.is_synced,
    is_backed_up: signed.is_backed_up,
  }
}

const uuid = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

export type StoredPasskey = {
  credential_id: string
  public_key: string
  user_handle: string
  sign_count: number
  is_synced: number
}

export type UsedPasskey = {
  sign_count: number
  isVerified: boolean
  is_backed_up: boolean
}

/**
 * A use of a stored passkey (§7.2). `needsHandle`: nothing but the response says whose it is. The
 * caller compares the challenge. Throws PasskeyFault.
 */
export async function checkAssertion(
  assertion: PasskeyAssertion,
  passkey: StoredPasskey,
  party: RelyingParty,
  { needsVerification, needsHandle }: { needsVerification: boolean; needsHandle: boolean },
): Promise<UsedPasskey> {
  const { client_data, authenticator_data, signature, user_handle } = assertion
  if (assertion.credential_id !== passkey.credential_id) throw new PasskeyFault('passkey_unknown')
  if (user_handle === null ? needsHandle : user_handle !== passkey.user_handle) {
    throw new PasskeyFault('passkey_unknown')
  }
  checkClientData(client_data, ClientDataType.Get, party)
  const signed = checkAuthenticatorData(authenticator_data, party, { needsVerification })
  const message = createAssertionSignatureMessage(authenticator_data, client_data)
  if (!(await verifySignature(passkey.public_key, message, signature))) {
    throw new PasskeyFault('passkey_signature')
  }
  if (signed.is_synced !== (passkey.is_synced === 1)) {
    throw new PasskeyFault('passkey_backup_state')
  }
  const { sign_count } = signed
  // §6.1.1: an authenticator that counts never shows a count twice, but its copy would.
  if (sign_count <= passkey.sign_count && sign_count + passkey.sign_count > 0) {
    throw new PasskeyFault('passkey_rolled_back')
  }
  const isVerified = signed.data.userVerified
  return { sign_count, isVerified, is_backed_up: signed.is_backed_up }
}
