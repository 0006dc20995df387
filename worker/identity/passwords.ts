// Passwords: argon2id over the WebAssembly module of the context. The text is normalised and hashed
// as UTF-8 bytes, whole. Hashes are stored as PHC strings; parameters from other systems are
// bounded.
import { decodeBase64IgnorePadding, encodeBase64NoPadding } from '@oslojs/encoding'
import type { Context } from '../context.ts'
import { recall, remember } from '../context.ts'
import { equalText } from '../crypto.ts'

/** Far more than anybody types; bounds the work of normalising. Bytes of UTF-8. */
export const PASSWORD_MAX_BYTES = 4096

/** True for text without control characters and halves of surrogate pairs. */
export const isPasswordUsable = (password: string): boolean =>
  password.isWellFormed() && !/[\x00-\x1f\x7f]/.test(password)

// RFC 8265 §4.2.2 (OpaqueString): other spaces become U+0020, then NFC. Keyboards differ in how
// they compose the same text. Nothing is trimmed, folded or cut.
export const passwordBytes = (password: string): Uint8Array =>
  new TextEncoder().encode(password.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC'))

const TYPES = { argon2d: 0, argon2i: 1, argon2id: 2 } as const

type Parameters = {
  type: keyof typeof TYPES
  version: number
  /** Memory in KiB, passes, lanes. */
  m: number
  t: number
  p: number
}

/** First choice of OWASP: 19 MiB, two passes, one lane. */
const PARAMETERS: Parameters = { type: 'argon2id', version: 19, m: 19_456, t: 2, p: 1 }
const SALT_BYTES = 16
const TAG_BYTES = 32
const SALT_MAX_BYTES = 64
const TAG_MAX_BYTES = 128

/** Hashes a password. Answers a PHC string. */
export async function hashPassword(cx: Context, password: string): Promise<string> {
  const salt = cx.random(SALT_BYTES)
  const tag = argon2(cx, PARAMETERS, passwordBytes(password), salt, TAG_BYTES)
  const { type, version, m, t, p } = PARAMETERS
  const encoded = [salt, tag].map(encodeBase64NoPadding).join('$')
  return `$${type}$v=${version}$m=${m},t=${t},p=${p}$${encoded}`
}

/**
 * True when the password is the one of the hash. Without a hash (no such user, or a user without a
 * password) the same work is done and the answer is false, so that the time reveals nothing.
 */
export async function verifyPassword(
  cx: Context,
  password: string,
  phc: string | null,
): Promise<boolean> {
  const stored = phc === null ? null : parsePhc(phc)
  if (phc !== null && stored === null) cx.log('warn', 'a stored password hash is not understood')
  const { parameters, salt, tag } = stored ?? {
    parameters: PARAMETERS,
    salt: new Uint8Array(SALT_BYTES),
    tag: new Uint8Array(TAG_BYTES),
  }
  const bytes = passwordBytes(password)
  const found = argon2(cx, parameters, bytes.subarray(0, PASSWORD_MAX_BYTES), salt, tag.byteLength)
  const same = equalText(encodeBase64NoPadding(found), encodeBase64NoPadding(tag))
  // A longer password was never accepted, so it cannot be right; nothing is cut and then taken for
  // right.
  return same && stored !== null && bytes.byteLength <= PASSWORD_MAX_BYTES
}

/**
 * True when the hash has other parameters than `PARAMETERS`: it is made anew at the next sign-in.
 */
export function isOutdated(phc: string): boolean {
  const stored = parsePhc(phc)
  if (stored === null) return false
  const same = Object.entries(PARAMETERS).every(
    ([name, value]) => stored.parameters[name as keyof Parameters] === value,
  )
  return !same || stored.salt.byteLength < SALT_BYTES || stored.tag.byteLength < TAG_BYTES
}

type Stored = { parameters: Parameters; salt: Uint8Array; tag: Uint8Array }

const PHC =
  /^\$(argon2id|argon2i|argon2d)(?:\$v=(\d{2}))?\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

// A foreign hash must not become a way to burn memory and time: 64 MiB and 10 passes at most.
function parsePhc(phc: string): Stored | null {
  const [, type, v, m, t, p, salt, tag] = PHC.exec(phc) ?? []
  if (type === undefined || salt === undefined || tag === undefined) return null
  const parameters: Parameters = {
    type: type as keyof typeof TYPES,
    version: v === undefined ? 16 : Number(v), // 1.0 was written without a version
    m: Number(m),
    t: Number(t),
    p: Number(p),
  }
  const stored = { parameters, salt: decode(salt), tag: decode(tag) }
  const bounded =
    (parameters.version === 16 || parameters.version === 19) &&
    parameters.t >= 1 &&
    parameters.t <= 10 &&
    parameters.p >= 1 &&
    parameters.p <= 16 &&
    parameters.m >= 8 * parameters.p && // RFC 9106 §3.1
    parameters.m <= 65_536 &&
    stored.salt.byteLength >= 8 &&
    stored.salt.byteLength <= SALT_MAX_BYTES &&
    stored.tag.byteLength >= 16 &&
    stored.tag.byteLength <= TAG_MAX_BYTES
  return bounded ? stored : null
}

function decode(text: string): Uint8Array {
  try {
    return decodeBase64IgnorePadding(text)
  } catch {
    return new Uint8Array(0)
  }
}

// --- the module -------------------------------------------------------------------------------

/** The exports of the module that are used. It imports nothing. */
type Argon2 = {
  memory: WebAssembly.Memory
  _initialize(): void
  malloc(bytes: number): number
  argon2_hash(
    t: number,
    m: number,
    p: number,
    password: number,
    passwordLength: number,
    salt: number,
    saltLength: number,
    tag: number,
    tagLength: number,
    encoded: number,
    encodedLength: number,
    type: number,
    version: number,
  ): number
}

/** An instance, with the address of a buffer in its memory for password, salt and tag. */
type Instance = { exports: Argon2; at: number }

const REMEMBERED = 'argon2'
const BUFFER_BYTES = PASSWORD_MAX_BYTES + SALT_MAX_BYTES + TAG_MAX_BYTES

function instance(cx: Context): Instance {
  const known = recall<Instance>(cx, REMEMBERED)
  if (known !== undefined) return known
  const exports = new WebAssembly.Instance(cx.argon2).exports as unknown as Argon2
  exports._initialize()
  // Allocated once and first: buffers that come and go would lie in the way of the large block, and
  // the memory would grow to twice the size.
  const at = exports.malloc(BUFFER_BYTES)
  if (at === 0) throw new Error('argon2 has no memory')
  return remember(cx, REMEMBERED, { exports, at }, Number.MAX_SAFE_INTEGER / 2)
}

function argon2(
  cx: Context,
  { type, version, m, t, p }: Parameters,
  password: Uint8Array,
  salt: Uint8Array,
  tagLength: number,
): Uint8Array {
  const { exports, at } = instance(cx)
  // A new view each time: memory that grows detaches the old buffer.
  const buffer = () => new Uint8Array(exports.memory.buffer, at, BUFFER_BYTES)
  const saltAt = password.byteLength
  const tagAt = saltAt + salt.byteLength
  let healthy = false
  try {
    buffer().set(password)
    buffer().set(salt, saltAt)
    // biome-ignore format: the parameters in the order and grouping of the C function
    const code = exports.argon2_hash(
      t, m, p,
      at, password.byteLength, at + saltAt, salt.byteLength, at + tagAt, tagLength,
      0, 0, // no encoded form
      TYPES[type], version,
    )
    healthy = code === 0
    if (!healthy) throw new Error(`argon2 failed with code ${code}`)
    return buffer().slice(tagAt, tagAt + tagLength)
  } finally {
    buffer().fill(0)
    // WebAssembly memory never shrinks. When a hash of another system made it grow, forgetting the
    // instance gives the memory back.
    if (!healthy || m > PARAMETERS.m) cx.memory.delete(REMEMBERED)
  }
}
