// The settings that come from outside: environment variables on Node, Deno and Bun, vars and secrets on Workers.
// Pure: reads a record of strings, answers a Config or every fault at once. Entry decides what to do with faults.

export type Config = {
  issuer: string
  host: string
  port: number
  database_url: string
  database_auth_token: string | undefined
  /** 32 bytes each, newest first: the first seals, all open. */
  secret_keys: readonly Uint8Array<ArrayBuffer>[]
  blueprint: string | undefined
  admin_email: string | undefined
  admin_password: string | undefined
  surface: 'public' | 'internal' | 'all'
  trusted_proxy: readonly string[]
  /** Where client certificates come from (RFC 8705); null: mutual TLS is not offered. */
  mtls: MutualTls | null
  mqtt_audience: string
  /** Whether what others name may be fetched over http and from private addresses: for tests. */
  allow_private_addresses: boolean
}

export type MutualTls =
  /** Workers: what Cloudflare says of the connection. */
  | { from: 'cloudflare' }
  /** Elsewhere: what a trusted proxy says in these headers (lower case). Without the second, no chain counts as verified. */
  | { from: 'header'; certificate: string; verified: string | null }

/** Whether a chain can be known to be verified, so that names in a certificate count. */
export const verifiesChains = (mtls: MutualTls | null): boolean =>
  mtls !== null && (mtls.from === 'cloudflare' || mtls.verified !== null)

export type Fault = { name: string; problem: string; example: string }

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_MQTT_AUDIENCE = 'urn:allauth:mqtt'

/** Reads all settings. `faults` is empty exactly when `config` is given. */
export function readEnvironment(env: Environment): { config?: Config; faults: Fault[] } {
  const faults: Fault[] = []
  const fault = (name: string, problem: string, example: string) => {
    faults.push({ name, problem, example })
  }
  const get = (name: string): string | undefined => {
    const value = env[name]?.trim()
    return value === '' ? undefined : value
  }

  const port = readPort(get('PORT') ?? '8787', fault)
  const issuer = readIssuer(get('ISSUER') ?? `http://localhost:${port || 8787}`, fault)
  const database_url = get('DATABASE_URL') ?? 'file:.allauth/allauth.db'
  if (!/^(file:.|https?:\/\/.|libsql:\/\/.|wss?:\/\/.)/.test(database_url)) {
    fault('DATABASE_URL', 'is not an address of a database', 'file:.allauth/allauth.db')
  }
  if (/^[a-z]+:\/\/[^/]*@/.test(database_url)) {
    fault(
      'DATABASE_URL',
      'has a user or password, which go into DATABASE_AUTH_TOKEN',
      'libsql://db.example.com',
    )
  }
  const secret_keys = readSecretKeys(get('SECRET_KEY'), fault)
  const surface = get('SURFACE') ?? 'all'
  if (surface !== 'public' && surface !== 'internal' && surface !== 'all') {
    fault('SURFACE', `is "${surface}", which is none of public, internal, all`, 'all')
  }
  const admin_email = get('ADMIN_EMAIL')
  const admin_password = env['ADMIN_PASSWORD'] === '' ? undefined : env['ADMIN_PASSWORD']
  if (admin_email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(admin_email)) {
    fault('ADMIN_EMAIL', 'is not an e-mail address', 'operator@example.com')
  }
  if ((admin_email === undefined) !== (admin_password === undefined)) {
    const missing = admin_email === undefined ? 'ADMIN_EMAIL' : 'ADMIN_PASSWORD'
    fault(missing, 'is missing: the two come together', 'set both, or neither')
  }
  if (admin_password !== undefined && [...admin_password].length < 15) {
    fault('ADMIN_PASSWORD', 'has fewer than 15 characters', 'four or five random words')
  }
  const trusted_proxy = (get('TRUSTED_PROXY') ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== 'off')
  const mtls = readMutualTls(get, trusted_proxy, fault)
  const mqtt_audience = get('MQTT_AUDIENCE') ?? DEFAULT_MQTT_AUDIENCE
  if (!URL.canParse(mqtt_audience)) {
    fault('MQTT_AUDIENCE', 'is not an absolute URI', DEFAULT_MQTT_AUDIENCE)
  }
  const allow_private = get('ALLOW_PRIVATE_ADDRESSES') ?? 'no'
  if (allow_private !== 'yes' && allow_private !== 'no') {
    fault('ALLOW_PRIVATE_ADDRESSES', `is "${allow_private}", which is neither yes nor no`, 'no')
  }
  if (faults.length > 0) return { faults }
  return {
    faults,
    config: {
      issuer,
      host: get('HOST') ?? '127.0.0.1',
      port,
      database_url,
      database_auth_token: get('DATABASE_AUTH_TOKEN'),
      secret_keys,
      blueprint: get('BLUEPRINT'),
      admin_email,
      admin_password,
      surface: surface as Config['surface'],
      trusted_proxy,
      mtls,
      mqtt_audience,
      allow_private_addresses: allow_private === 'yes',
    },
  }
}

/** The faults as lines for a person. */
export function describeFaults(faults: readonly Fault[]): string {
  return faults.map((f) => `${f.name} ${f.problem}. Example: ${f.name}=${f.example}`).join('\n')
}

type Report = (name: string, problem: string, example: string) => void

function readIssuer(text: string, fault: Report): string {
  const example = 'https://id.example.com'
  if (!URL.canParse(text)) {
    fault('ISSUER', 'is not an absolute URL', example)
    return text
  }
  const url = new URL(text)
  const loopback = isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    fault('ISSUER', 'must use https, unless its host is a loopback one', example)
  }
  // RFC 8414 §2: no query and no fragment. A path would need other well-known addresses: not offered.
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    fault('ISSUER', 'must be an origin alone, without path, query, fragment or user', example)
  }
  return url.origin
}

function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

function readMutualTls(
  get: (name: string) => string | undefined,
  trusted_proxy: readonly string[],
  fault: Report,
): MutualTls | null {
  const source = get('MTLS') ?? 'off'
  if (source !== 'off' && source !== 'cloudflare') {
    fault('MTLS', `is "${source}", which is none of off, cloudflare`, 'cloudflare')
  }
  const certificate = get('CLIENT_CERTIFICATE_HEADER')
  const verified = get('CLIENT_CERTIFICATE_VERIFIED_HEADER')
  const examples = {
    CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
    CLIENT_CERTIFICATE_VERIFIED_HEADER: 'X-Client-Cert-Verified',
  }
  for (const [name, example] of Object.entries(examples)) {
    const header = get(name)
    if (header !== undefined && !/^[A-Za-z0-9-]{1,64}$/.test(header)) {
      fault(name, 'is not the name of a header', example)
    }
  }
  if (certificate === undefined) {
    if (verified !== undefined) {
      fault(
        'CLIENT_CERTIFICATE_VERIFIED_HEADER',
        'is given without CLIENT_CERTIFICATE_HEADER',
        'set both, or neither',
      )
    }
    return source === 'cloudflare' ? { from: 'cloudflare' } : null
  }
  if (source === 'cloudflare') {
    fault('CLIENT_CERTIFICATE_HEADER', 'is given beside MTLS=cloudflare', 'set one of the two')
  }
  // Else anybody could send the header, and be whoever the certificate names.
  if (trusted_proxy.length === 0) {
    fault(
      'CLIENT_CERTIFICATE_HEADER',
      'is given without TRUSTED_PROXY, so nobody could be believed',
      'Client-Cert, with TRUSTED_PROXY=loopback',
    )
  }
  return {
    from: 'header',
    certificate: certificate.toLowerCase(),
    verified: verified?.toLowerCase() ?? null,
  }
}

function readPort(text: string, fault: Report): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port >= 0 && port <= 65535)) fault('PORT', 'is not a port number from 0 to 65535', '8787')
  return port
}

function readSecretKeys(text: string | undefined, fault: Report): Uint8Array<ArrayBuffer>[] {
  const example = 'the output of: openssl rand -base64 32 | tr "+/" "-_" | tr -d "="'
  if (text === undefined) {
    fault('SECRET_KEY', 'is missing', example)
    return []
  }
  const keys: Uint8Array<ArrayBuffer>[] = []
  for (const [i, part] of text.split(',').entries()) {
    const key = decodeKey(part.trim())
    if (key === null) {
      fault('SECRET_KEY', `number ${i + 1} is not 32 bytes in base64url`, example)
    } else keys.push(key)
  }
  return keys
}

function decodeKey(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]{43}=?$/.test(text)) return null
  const binary = atob(text.replace('=', '').replaceAll('-', '+').replaceAll('_', '/') + '=')
  return Uint8Array.from(binary, (ch) => ch.charCodeAt(0))
}
