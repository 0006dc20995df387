// An authenticator of the tests, written from WebAuthn Level 3 (§6) and CBOR (RFC 8949) with
// WebCrypto alone, so that it shares no code with the server. It answers the options of a page as a
// browser does, and each part of an answer can be made wrong.
const utf8 = new TextEncoder()

export const encode = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

export const decode = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0))

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

type Cbor = number | string | Uint8Array | ReadonlyMap<number | string, Cbor>

/** CBOR as authenticators write it. */
export function cbor(value: Cbor): Uint8Array<ArrayBuffer> {
  const head = (major: number, n: number) => {
    if (n < 24) return Uint8Array.of((major << 5) | n)
    if (n < 256) return Uint8Array.of((major << 5) | 24, n)
    return Uint8Array.of((major << 5) | 25, n >> 8, n & 255)
  }
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return concat(head(3, value.length), utf8.encode(value))
  if (value instanceof Uint8Array) return concat(head(2, value.length), value)
  const pairs = [...value].map(([key, one]) => concat(cbor(key), cbor(one)))
  return concat(head(5, value.size), ...pairs)
}

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))

const uint32 = (n: number) => Uint8Array.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255)

const UP = 0x01
const UV = 0x04
const BE = 0x08
const BS = 0x10
const AT = 0x40

const ALGORITHMS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  Ed25519: { name: 'Ed25519' },
  RS256: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
  },
} as const
export type AlgorithmName = keyof typeof ALGORITHMS

/** A signature of WebCrypto in the form that authenticators give (DER, §6.5.5). */
function toDer(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const integer = (bytes: Uint8Array) => {
    const start = bytes.findIndex((byte) => byte !== 0)
    const rest = bytes.slice(start < 0 ? bytes.length - 1 : start)
    const positive = (rest[0] ?? 0) > 127 ? concat(Uint8Array.of(0), rest) : rest
    return concat(Uint8Array.of(2, positive.length), positive)
  }
  const both = concat(integer(plain.slice(0, 32)), integer(plain.slice(32)))
  return concat(Uint8Array.of(0x30, both.length), both)
}

/** Parts of an answer that are wished otherwise. */
export type Wrong = {
  type?: string
  origin?: string
  crossOrigin?: boolean
  challenge?: string
  rpId?: string
  /** Flags that are taken away or set beside the usual ones. */
  without?: number
  with?: number
  count?: number
  id?: string
  userHandle?: string | null
  more?: object
}

export const FLAGS = { UP, UV, BE, BS, AT }

export type Options = {
  challenge: string
  rp?: { id: string }
  rpId?: string
  user?: { id: string }
  excludeCredentials?: readonly { id: string }[]
  allowCredentials?: readonly { id: string }[]
}

/** The options on a page. */
export function optionsOf(page: { html: string | null }): Options {
  const [, data = ''] = /data-passkey="([^"]*)"/.exec(page.html ?? '') ?? []
  return JSON.parse(
    data.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&'),
  ).publicKey
}

export class SoftwareAuthenticator {
  readonly id: string
  readonly #keys: CryptoKeyPair
  readonly algorithm: AlgorithmName
  readonly isSynced: boolean
  /** Null for one that does not count. */
  count: number | null
  userHandle = ''
  readonly aaguid: Uint8Array
  readonly origin: string

  constructor(
    keys: CryptoKeyPair,
    options: {
      algorithm: AlgorithmName
      isSynced: boolean
      count: number | null
      aaguid: string
      id: string
      origin: string
    },
  ) {
    this.#keys = keys
    this.algorithm = options.algorithm
    this.isSynced = options.isSynced
    this.count = options.count
    this.id = options.id
    this.origin = options.origin
    const hex = options.aaguid.replaceAll('-', '').match(/../g) ?? []
    this.aaguid = Uint8Array.from(hex, (two) => Number.parseInt(two, 16))
  }

  static async make(
    options: {
      algorithm?: AlgorithmName
      isSynced?: boolean
      count?: number | null
      aaguid?: string
      id?: string
      origin?: string
    } = {},
  ): Promise<SoftwareAuthenticator> {
    const {
      algorithm = 'ES256',
      isSynced = false,
      count = 1,
      origin = 'http://localhost:8787',
    } = options
    const keys = await crypto.subtle.generateKey(ALGORITHMS[algorithm], true, ['sign', 'verify'])
    return new SoftwareAuthenticator(keys as CryptoKeyPair, {
      algorithm,
      isSynced,
      count,
      origin,
      id: options.id ?? encode(crypto.getRandomValues(new Uint8Array(24))),
      aaguid: options.aaguid ?? '00000000-0000-0000-0000-000000000000',
    })
  }

  async cose(): Promise<Uint8Array<ArrayBuffer>> {
    const jwk = await crypto.subtle.exportKey('jwk', this.#keys.publicKey)
    const part = (name: 'x' | 'y' | 'n' | 'e') => decode(jwk[name] ?? '')
    if (this.algorithm === 'ES256') {
      const entries: [number, Cbor][] = [
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, part('x')],
        [-3, part('y')],
      ]
      return cbor(new Map(entries))
    }
    if (this.algorithm === 'Ed25519') {
      const entries: [number, Cbor][] = [
        [1, 1],
        [3, -8],
        [-1, 6],
        [-2, part('x')],
      ]
      return cbor(new Map(entries))
    }
    const entries: [number, Cbor][] = [
      [1, 3],
      [3, -257],
      [-1, part('n')],
      [-2, part('e')],
    ]
    return cbor(new Map(entries))
  }

  #clientData(type: string, options: Options, wrong: Wrong) {
    const { origin = this.origin, challenge = options.challenge, crossOrigin = false } = wrong
    const data = { type: wrong.type ?? type, challenge, origin, crossOrigin, ...wrong.more }
    return utf8.encode(JSON.stringify(data))
  }

  async #authenticatorData(rpId: string, wrong: Wrong, credential?: Uint8Array) {
    const usual = UP | UV | (this.isSynced ? BE | BS : 0) | (credential === undefined ? 0 : AT)
    const flags = (usual & ~(wrong.without ?? 0)) | (wrong.with ?? 0)
    return concat(
      await sha256(utf8.encode(wrong.rpId ?? rpId)),
      Uint8Array.of(flags),
      uint32(wrong.count ?? this.count ?? 0),
      credential ?? new Uint8Array(0),
    )
  }

  /** The answer to the page that adds a passkey, in the form in which the page sends it. */
  async create(options: Options, wrong: Wrong = {}) {
    this.userHandle = options.user?.id ?? ''
    const id = decode(wrong.id ?? this.id)
    const length = Uint8Array.of(id.length >> 8, id.length & 255)
    const credential = concat(this.aaguid, length, id, await this.cose())
    const data = await this.#authenticatorData(options.rp?.id ?? '', wrong, credential)
    return {
      id: wrong.id ?? this.id,
      clientDataJSON: encode(this.#clientData('webauthn.create', options, wrong)),
      authenticatorData: encode(data),
      transports: ['internal', 'hybrid', 'telepathy'],
    }
  }

  /** The answer to a page that asks for a passkey. */
  async get(options: Options, wrong: Wrong = {}) {
    if (this.count !== null && wrong.count === undefined) this.count++
    const clientData = this.#clientData('webauthn.get', options, wrong)
    const data = await this.#authenticatorData(options.rpId ?? '', wrong)
    const message = concat(data, await sha256(clientData))
    const plain = new Uint8Array(
      await crypto.subtle.sign(ALGORITHMS[this.algorithm], this.#keys.privateKey, message),
    )
    const userHandle = wrong.userHandle === undefined ? this.userHandle : wrong.userHandle
    return {
      id: wrong.id ?? this.id,
      clientDataJSON: encode(clientData),
      authenticatorData: encode(data),
      signature: encode(this.algorithm === 'ES256' ? toDer(plain) : plain),
      ...(userHandle === null ? {} : { userHandle }),
    }
  }
}
