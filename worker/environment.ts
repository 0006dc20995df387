// The environment: values that a program must have before it starts, as variables on Node, Deno and
// Bun, and as vars and secrets on Workers. One entry of VARIABLES each, from which
// docs/environment.md is made. Pure: reads a record of strings, answers a Config or every fault at
// once; entry decides what follows from faults. Lifetimes and limits that change while the worker
// runs are another thing: settings.ts.

import {
  type EmailSender,
  type EmailTransport,
  localSender,
  readEmailFrom,
  readEmailUrl,
} from './mail/email_url.ts'
import { isLoopbackHost } from './web/loopback.ts'

export type Config = {
  issuer: string
  host: string
  port: number
  database_url: string
  database_auth_token: string | undefined
  /** Seconds within which every answer comes. */
  database_timeout: number
  /** 32 bytes each, newest first: the first seals, all open. */
  secret_keys: readonly Uint8Array<ArrayBuffer>[]
  blueprint: string | undefined
  admin_email: string | undefined
  admin_password: string | undefined
  reports_client_secret: string | undefined
  surface: 'public' | 'internal' | 'all'
  trusted_proxy: readonly string[]
  /** Source of client certificates (RFC 8705); null: mutual TLS is not offered. */
  mtls: MutualTls | null
  mqtt_audience: string
  email: EmailTransport
  email_from: EmailSender
  /** Text of the layout of mails that the deployment brings; null: the built-in one. */
  email_layout: string | null
  /**
   * True, for tests: addresses that others name may be fetched over http and from private
   * addresses.
   */
  allow_private_addresses: boolean
}

export type MutualTls =
  /** Workers: Cloudflare describes the connection. */
  | { from: 'cloudflare' }
  /**
   * Elsewhere: a trusted proxy describes it in these headers (lower case). Without the second, no
   * chain counts as verified.
   */
  | { from: 'header'; certificate: string; verified: string | null }

/** True when a verified chain can be known, so that names in a certificate count. */
export const verifiesChains = (mtls: MutualTls | null): boolean =>
  mtls !== null && (mtls.from === 'cloudflare' || mtls.verified !== null)

export type EnvironmentFault = { name: string; problem: string; example: string }

type Environment = Readonly<Record<string, string | undefined>>

/** Reports one fault of the variable; without an example, the one of the variable is shown. */
type Report = (problem: string, example?: string) => void

/** All about one variable. */
type Variable<value, fallback extends string | undefined> = {
  meaning: string
  /**
   * Text that is read when the variable is not set or empty; undefined: the value is then
   * undefined.
   */
  default: fallback
  /** The default for people, where it is not the text itself. */
  default_in_words?: string
  example: string
  runtimes: 'all' | 'Node, Deno, Bun' | 'Workers'
  /** Whether white space at both ends belongs to the value. */
  verbatim?: true
  read: (text: string, fault: Report) => value
}

const variable = <value, fallback extends string | undefined>(entry: Variable<value, fallback>) =>
  entry

const asText = (text: string): string => text

export const VARIABLES = {
  ISSUER: variable({
    meaning:
      'The issuer identifier: an origin, with https unless its host is a loopback one, and perhaps a path such as `/auth`.',
    default: undefined,
    default_in_words: '`http://localhost:8787` (follows `PORT`)',
    example: 'https://id.example.com',
    runtimes: 'all',
    read: readIssuer,
  }),
  HOST: variable({
    meaning: 'The address to listen on.',
    default: '127.0.0.1',
    example: '0.0.0.0',
    runtimes: 'Node, Deno, Bun',
    read: asText,
  }),
  PORT: variable({
    meaning: 'The port to listen on.',
    default: '8787',
    example: '8787',
    runtimes: 'Node, Deno, Bun',
    read: readPort,
  }),
  DATABASE_URL: variable({
    meaning:
      'The database: `file:`, `http(s)://`, `libsql://` or `ws(s)://`; on Workers not `file:`.',
    default: 'file:.allauth/allauth.db',
    example: 'libsql://db.example.com',
    runtimes: 'all',
    read: readDatabaseUrl,
  }),
  DATABASE_AUTH_TOKEN: variable({
    meaning: 'The token for a remote database.',
    default: undefined,
    example: 'eyJhbGciOiJFZERTQSJ9...',
    runtimes: 'all',
    read: asText,
  }),
  DATABASE_TIMEOUT: variable({
    meaning:
      'Within how many seconds every answer comes, 1 to 60, also when the database is slow or silent: then 503 with ' +
      '`Retry-After`.',
    default: '5',
    example: '5',
    runtimes: 'all',
    read: (text, fault) => {
      const seconds = /^\d{1,2}$/.test(text) ? Number(text) : 0
      if (seconds < 1 || seconds > 60) fault('is not a number of seconds from 1 to 60')
      return seconds
    },
  }),
  SECRET_KEY: variable({
    meaning:
      '32 bytes in base64url. To rotate, put the new one first and the old one behind a comma, until ' +
      '`allauth key status` says that it may go ([keys](keys.md)).',
    default: '',
    default_in_words:
      'none: it is required; but it is made together with a new embedded database, in `.allauth/secret_key`',
    example: 'the output of: openssl rand -base64 32 | tr "+/" "-_" | tr -d "="',
    runtimes: 'all',
    read: readSecretKeys,
  }),
  BLUEPRINT: variable({
    meaning: 'A blueprint that each start applies, without undoing what operators did since.',
    default: undefined,
    example: 'home.yaml',
    runtimes: 'Node, Deno, Bun',
    read: asText,
  }),
  ADMIN_EMAIL: variable({
    meaning:
      'The first operator, made while nobody who can sign in is one; an account that is there is never promoted. Without it a one-time set-up link is printed.',
    default: undefined,
    example: 'operator@example.com',
    runtimes: 'Node, Deno, Bun',
    read: (text, fault) => {
      if (!/^[^\s@]+@[^\s@]+$/.test(text)) fault('is not an e-mail address')
      return text
    },
  }),
  ADMIN_PASSWORD: variable({
    meaning:
      'The password of the first operator, at least `password_min_length` characters (a setting, 15); it comes with `ADMIN_EMAIL`.',
    default: undefined,
    example: 'four or five random words',
    runtimes: 'Node, Deno, Bun',
    verbatim: true,
    read: (text, fault) => {
      if ([...text].length < 8) fault('has fewer than 8 characters')
      return text
    },
  }),
  REPORTS_CLIENT_SECRET: variable({
    meaning:
      'With it a start makes the client `mproxy`, by which mProxy reports, unless there is or was one: the same value as at mProxy. `npm start` draws it.',
    default: undefined,
    example: 'the output of: openssl rand -base64 32',
    runtimes: 'Node, Deno, Bun',
    read: (text, fault) => {
      if (!/^[\x21-\x7e]{32,400}$/.test(text)) fault('is not 32 to 400 visible ASCII characters')
      return text
    },
  }),
  SURFACE: variable({
    meaning:
      '`public` (what end users and clients need), `internal` (the management API and the console) or `all`.',
    default: 'all',
    example: 'all',
    runtimes: 'all',
    read: (text, fault): Config['surface'] =>
      oneOf(['public', 'internal', 'all'], 'all', text, fault),
  }),
  TRUSTED_PROXY: variable({
    meaning:
      'Addresses, ranges or `loopback`, comma-separated, whose `X-Forwarded-For` is believed.',
    default: 'off',
    example: '10.0.0.0/8,loopback',
    runtimes: 'Node, Deno, Bun',
    read: (text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '' && part !== 'off'),
  }),
  MTLS: variable({
    meaning: '`cloudflare` where Cloudflare asks visitors for client certificates.',
    default: 'off',
    example: 'cloudflare',
    runtimes: 'Workers',
    read: (text, fault) => oneOf(['off', 'cloudflare'], 'off', text, fault),
  }),
  CLIENT_CERTIFICATE_HEADER: variable({
    meaning:
      "The header, such as `Client-Cert` (RFC 9440), in which a `TRUSTED_PROXY` passes on the client's certificate.",
    default: undefined,
    example: 'Client-Cert',
    runtimes: 'Node, Deno, Bun',
    read: readHeaderName,
  }),
  CLIENT_CERTIFICATE_VERIFIED_HEADER: variable({
    meaning:
      'The header in which that proxy says whether it verified the chain: `SUCCESS`, or anything else.',
    default: undefined,
    example: 'X-Client-Cert-Verified',
    runtimes: 'Node, Deno, Bun',
    read: readHeaderName,
  }),
  MQTT_AUDIENCE: variable({
    meaning: 'The `aud` of tokens for mProxy, an absolute URI.',
    default: 'urn:allauth:mqtt',
    example: 'urn:allauth:mqtt',
    runtimes: 'all',
    read: (text, fault) => {
      if (!URL.canParse(text)) fault('is not an absolute URI')
      return text
    },
  }),
  EMAIL_URL: variable({
    meaning:
      'How mails to people leave: `outbox:` (they stay in the database, where operators read them), `smtp://` or `smtps://` ' +
      'with user and password, or `https://` with the key of Resend, Postmark or SES ([people](people.md#mail)).',
    default: 'outbox:',
    example: 'smtp://user:password@mail.example.com',
    runtimes: 'all',
    read: readEmailUrl,
  }),
  EMAIL_FROM: variable({
    meaning:
      'The sender of mails: an address, or a name with an address. Without a name it is `service_name`.',
    default: undefined,
    default_in_words: '`no-reply@` and the host of the issuer',
    example: 'Example Home <no-reply@example.com>',
    runtimes: 'all',
    read: readEmailFrom,
  }),
  EMAIL_LAYOUT: variable({
    meaning:
      'A file with a layout of mails in place of the built-in one ([people](people.md#a-layout-of-your-own)).',
    default: undefined,
    example: 'mail.html',
    runtimes: 'Node, Deno, Bun',
    read: asText,
  }),
  ALLOW_PRIVATE_ADDRESSES: variable({
    meaning:
      '`yes` lets keys, metadata and logout addresses of clients be fetched over http and from private addresses: ' +
      'for tests and closed networks.',
    default: 'no',
    example: 'no',
    runtimes: 'all',
    read: (text, fault) => oneOf(['yes', 'no'], 'no', text, fault) === 'yes',
  }),
  ALLAUTH_FOLDER: variable({
    meaning: 'Where a local host keeps the secret key that it made.',
    default: '.allauth',
    example: '/var/lib/allauth',
    runtimes: 'Node, Deno, Bun',
    read: asText,
  }),
}

type Variables = typeof VARIABLES
type Name = keyof Variables

type ValueOf<name extends Name> =
  | ReturnType<Variables[name]['read']>
  | (Variables[name]['default'] extends string ? never : undefined)

/** Reads one variable by its entry. */
export function readVariable<name extends Name>(
  name: name,
  env: Environment,
  faults: EnvironmentFault[] = [],
): ValueOf<name> {
  const {
    default: fallback,
    example,
    verbatim,
    read,
  } = VARIABLES[name] as Variable<unknown, string | undefined>
  const set = verbatim === true ? env[name] : env[name]?.trim()
  const text = set === undefined || set === '' ? fallback : set
  const fault: Report = (problem, other = example) => {
    faults.push({ name, problem, example: other })
  }
  return (text === undefined ? undefined : read(text, fault)) as ValueOf<name>
}

/**
 * The issuer where `ISSUER` is not set. A port that is 0 or cannot be read counts as the default
 * one.
 */
export const localIssuer = (port: number): string =>
  new URL(`http://localhost:${port || VARIABLES.PORT.default}`).origin

/** Reads all variables. `faults` is empty exactly when there is a `config`. */
export function readEnvironment(env: Environment): {
  config?: Config
  faults: EnvironmentFault[]
} {
  const faults: EnvironmentFault[] = []
  const read = <name extends Name>(name: name) => readVariable(name, env, faults)
  const fault = (name: Name, problem: string, example: string = VARIABLES[name].example) => {
    faults.push({ name, problem, example })
  }

  const port = read('PORT')
  const issuer = read('ISSUER') ?? localIssuer(port)
  const config: Config = {
    port,
    issuer,
    host: read('HOST'),
    database_url: read('DATABASE_URL'),
    database_auth_token: read('DATABASE_AUTH_TOKEN'),
    database_timeout: read('DATABASE_TIMEOUT'),
    secret_keys: read('SECRET_KEY'),
    blueprint: read('BLUEPRINT'),
    surface: read('SURFACE'),
    admin_email: read('ADMIN_EMAIL'),
    admin_password: read('ADMIN_PASSWORD'),
    reports_client_secret: read('REPORTS_CLIENT_SECRET'),
    trusted_proxy: read('TRUSTED_PROXY'),
    mtls: null,
    mqtt_audience: read('MQTT_AUDIENCE'),
    email: read('EMAIL_URL'),
    email_from: read('EMAIL_FROM') ?? localSender(issuer),
    // The program that can read files puts it in.
    email_layout: null,
    allow_private_addresses: read('ALLOW_PRIVATE_ADDRESSES'),
  }
  const { admin_email, admin_password } = config
  if ((admin_email === undefined) !== (admin_password === undefined)) {
    const missing = admin_email === undefined ? 'ADMIN_EMAIL' : 'ADMIN_PASSWORD'
    fault(missing, 'is missing: the two come together', 'set both, or neither')
  }
  const mtls = readMutualTls(read, config.trusted_proxy, fault)
  return faults.length > 0 ? { faults } : { faults, config: { ...config, mtls } }
}

/** The faults as lines for a person. */
export function describeFaults(faults: readonly EnvironmentFault[]): string {
  return faults.map((f) => `${f.name} ${f.problem}. Example: ${f.name}=${f.example}`).join('\n')
}

/** One of the words; with a fault, the fallback. */
function oneOf<word extends string>(
  words: readonly word[],
  fallback: word,
  text: string,
  fault: Report,
): word {
  const found = words.find((one) => one === text)
  if (found === undefined) fault(`is "${text}", which is none of ${words.join(', ')}`)
  return found ?? fallback
}

/** Paths that are answered at the root of the host whatever the path of the issuer is. */
const RESERVED = ['/healthz', '/readyz']

function readIssuer(text: string, fault: Report): string {
  if (!URL.canParse(text)) {
    fault('is not an absolute URL')
    return text
  }
  const url = new URL(text)
  const loopback = isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    fault('must use https, unless its host is a loopback one')
  }
  // RFC 8414 §2
  if (url.search !== '' || url.hash !== '' || url.username !== '') {
    fault('must be an origin, and perhaps a path, without query, fragment or user')
  }
  const path = url.pathname.replace(/\/$/, '')
  // Those that every proxy and every client writes in the same way.
  if (!/^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/.test(path)) {
    fault('has a path of other characters than A-Z a-z 0-9 . _ ~ -', 'https://example.com/auth')
  }
  if (path.startsWith('/.well-known') || RESERVED.includes(path)) {
    fault(`has the path ${path}, which is used at the root of the host`, 'https://example.com/auth')
  }
  return url.origin + path
}

function readPort(text: string, fault: Report): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port >= 0 && port <= 65535) return port
  fault('is not a port number from 0 to 65535')
  return Number.NaN
}

function readDatabaseUrl(text: string, fault: Report): string {
  const isFile = text.startsWith('file:')
  if (!/^(file:.|https?:\/\/.|libsql:\/\/.|wss?:\/\/.)/.test(text)) {
    fault('is not an address of a database', 'file:.allauth/allauth.db')
  } else if (!isFile && text.includes('@')) {
    fault('has a user or password, which go into DATABASE_AUTH_TOKEN')
  } else if (!isFile && !URL.canParse(text)) {
    // A password whose `@` was forgotten, for instance: the text stays untold.
    fault('is not an address of a database: its host or port cannot be read')
  }
  return text
}

function readHeaderName(text: string, fault: Report): string {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(text)) fault('is not the name of a header')
  return text
}

function readMutualTls(
  read: <name extends Name>(name: name) => ValueOf<name>,
  trusted_proxy: readonly string[],
  fault: (name: Name, problem: string, example?: string) => void,
): MutualTls | null {
  const source = read('MTLS')
  const certificate = read('CLIENT_CERTIFICATE_HEADER')
  const verified = read('CLIENT_CERTIFICATE_VERIFIED_HEADER')
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
  // Otherwise anybody could send the header, and act under any name in a certificate.
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

function readSecretKeys(text: string, fault: Report): readonly Uint8Array<ArrayBuffer>[] {
  if (text === '') {
    fault('is missing')
    return []
  }
  const keys: Uint8Array<ArrayBuffer>[] = []
  for (const [i, part] of text.split(',').entries()) {
    const key = decodeKey(part.trim())
    if (key === null) fault(`number ${i + 1} is not 32 bytes in base64url`)
    else keys.push(key)
  }
  return keys
}

function decodeKey(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]{43}=?$/.test(text)) return null
  const binary = atob(text.replace('=', '').replaceAll('-', '+').replaceAll('_', '/') + '=')
  return Uint8Array.from(binary, (ch) => ch.charCodeAt(0))
}
