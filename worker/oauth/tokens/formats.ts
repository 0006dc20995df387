// How an access token is written, and how it is read back: one entry per format, which a client
// chooses by its member `access_token_format`. Its content is the same in each and comes together
// in access_token.ts. Each format is known by its beginning and holds what makes it an access token
// and nothing else; what comes out of `read` is authenticated, from our issuer, and not yet judged
// by time, audience or state.
import { type Context, recall, remember } from '../../context.ts'
import { seal, UnsealError, unseal } from '../../crypto.ts'
import { signJwt, verifyJwt } from '../../keys/jwt.ts'
import { signPaseto, verifyPaseto } from '../../keys/paseto.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import type { ClientMembers } from '../clients/members.ts'

export type TokenFormat = ClientMembers['access_token_format']

export type Issued = {
  access_token: string
  /** The key that signed, as in the JWKS; '' where none did. */
  kid: string
}

/** Claims with times in epoch seconds. */
type Claims = Record<string, unknown> & { iat: number; exp: number }

type Format = {
  /** `iss` is added. */
  issue(cx: Context, claims: Claims): Promise<Issued>
  /** The claims of an access token in this format, `iss` included; null for anything else. */
  read(cx: Context, token: string): Promise<Record<string, unknown> | null>
}

/** RFC 9068: what mProxy and most resource servers read by themselves. */
const jwt: Format = {
  async issue(cx, claims) {
    const { jwt, kid } = await signJwt(cx, 'ES256', 'at+jwt', claims)
    return { access_token: jwt, kid }
  },
  // The time is judged by the reader of all formats, who says when it alone is wrong.
  read: (cx, token) => verifyJwt(cx, token, { typ: 'at+jwt', ignoreExpiry: true }),
}

/** v4.public. Its `aud` is one text by PASETO's own rules: tokens.ts sees to it. */
const paseto: Format = {
  async issue(cx, claims) {
    const { paseto, kid } = await signPaseto(cx, 'at+paseto', claims)
    return { access_token: paseto, kid }
  },
  async read(cx, token) {
    const claims = await verifyPaseto(cx, token, { typ: 'at+paseto' })
    if (claims === null) return null
    const { typ: _, ...content } = claims
    return content
  },
}

/**
 * By it secret scanners know the token, whose form is `aat_` + key id (8 characters) + sealed
 * claims.
 */
const OPAQUE_PREFIX = 'aat_'
const KEY_ID_LENGTH = 8

/** Issuers may share a SECRET_KEY and not their tokens. */
const opaqueContext = (cx: Context) => `access_token:${cx.config.issuer}`

/** Short, and by place: a claim of any name among the rest cannot be taken for one of the first. */
const pack = ({ sub, client_id, aud, iat, exp, jti, scope, ...rest }: Claims) =>
  JSON.stringify([sub, client_id, aud, iat, exp - iat, jti, scope, rest])

function unpack(text: string): Record<string, unknown> {
  const [sub, client_id, aud, iat, ttl, jti, scope, rest] = JSON.parse(text)
  return { ...rest, sub, client_id, aud, iat, exp: iat + ttl, jti, scope }
}

/**
 * Claims sealed under SECRET_KEY: only we can read them, and nothing is written to issue one.
 * Without dots, because whoever demands tokens that are no JWT (Google's account linking) may count
 * them.
 */
const opaque: Format = {
  async issue(cx, claims) {
    const sealed = await seal(cx, opaqueContext(cx), pack(claims), 'seal tokens')
    const [, id, body] = sealed.split('.')
    return { access_token: `${OPAQUE_PREFIX}${id}${body}`, kid: '' }
  },
  async read(cx, token) {
    const id = token.slice(OPAQUE_PREFIX.length, OPAQUE_PREFIX.length + KEY_ID_LENGTH)
    const body = token.slice(OPAQUE_PREFIX.length + KEY_ID_LENGTH)
    try {
      const text = await unseal(cx, opaqueContext(cx), `v1.${id}.${body}`, 'seal tokens')
      return { ...unpack(text), iss: cx.config.issuer }
    } catch (error) {
      if (error instanceof UnsealError) return null
      throw error
    }
  },
}

const FORMATS: Record<TokenFormat, Format> = { jwt, opaque, paseto }

export const issueToken = (cx: Context, format: TokenFormat, claims: Claims): Promise<Issued> =>
  FORMATS[format].issue(cx, claims)

type Claimed = Readonly<Record<string, unknown>>

/**
 * Tokens that were read lately, with their claims: most come again within seconds, and a signature
 * stays what it was.
 */
const REMEMBERED = 'tokens read lately'
const REMEMBERED_UNDER = 'keys of the tokens read lately'
const FOR_GOOD = Number.MAX_SAFE_INTEGER / 2
const REMEMBERED_MAX = 1000
const REMEMBERED_TTL = 60

/**
 * The claims of an access token of this issuer in whichever format, or null for anything else.
 * Remembered for a minute; time and state are for the caller to judge, each
 * time.
 */
export async function readToken(cx: Context, token: string): Promise<Claimed | null> {
  const now = cx.now()
  const lately = await readLately(cx)
  const known = lately.get(token)
  if (known !== undefined && known.until > now) return known.claims
  lately.delete(token)
  const claims = await FORMATS[formatOf(token)].read(cx, token)
  if (claims === null) return null
  // A Map keeps the order of insertion: the first is the oldest.
  const [oldest] = lately.keys()
  if (lately.size >= REMEMBERED_MAX && oldest !== undefined) lately.delete(oldest)
  lately.set(token, { claims, until: now + REMEMBERED_TTL })
  return claims
}

type ReadLately = Map<string, { claims: Claimed; until: number }>

/**
 * The memory of tokens that were read under the present keys. It goes with them: a token of a key
 * that was revoked counts nowhere longer than its key is remembered.
 */
async function readLately(cx: Context): Promise<ReadLately> {
  const keys = await signingKeys(cx)
  const known = recall<ReadLately>(cx, REMEMBERED)
  if (known !== undefined && recall(cx, REMEMBERED_UNDER) === keys) return known
  remember(cx, REMEMBERED_UNDER, keys, FOR_GOOD)
  return remember(cx, REMEMBERED, new Map(), FOR_GOOD)
}

function formatOf(token: string): TokenFormat {
  if (token.startsWith(OPAQUE_PREFIX)) return 'opaque'
  return /^v\d+\./.test(token) ? 'paseto' : 'jwt'
}
