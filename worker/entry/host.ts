// Entry: the runtimes, the environment, drivers, processes; the only room that knows them.
// Doors: workers.ts, node.ts, deno.ts, bun.ts; start.ts (the whole system), dev.ts, cli.ts. Rooms
// beside: hrana/, embedded/, linking/, mail_transports/.
// This file is shared by Node, Deno and Bun: the environment, the key in `.allauth/`, the database
// with its migrations, the first operator, the blueprint, and the context of each request. Uses
// node: modules that all three have.
// Owns no table but that of applied migrations. Leaves routes to app.ts.
import { readFile } from 'node:fs/promises'
import { BlockList, isIP } from 'node:net'
import { fileURLToPath } from 'node:url'
import {
  type Actor,
  ANONYMOUS,
  type ClientCertificate,
  type Context,
  type Log,
  type Memory,
  noParties,
} from '../context.ts'
import { SecretKeyMissing, UnsealError } from '../crypto.ts'
import { type Database, DatabaseUnavailable } from '../db/database.ts'
import {
  type Config,
  describeFaults,
  type EnvironmentFault,
  type MutualTls,
  readEnvironment,
  readVariable,
  VARIABLES,
} from '../environment.ts'
import { Problem } from '../errors.ts'
import { keyStatus } from '../keys/resealing.ts'
import { signingKeys } from '../keys/signing_keys.ts'
import { guardFetch } from '../outside.ts'
import {
  findUnopened,
  leaveSecretKeysUnnoted,
  listIndispensable,
  proveSecretKey,
} from '../stored_secrets.ts'
import { issuerPath } from '../web/issuer_path.ts'
import { CannotStart } from './cannot_start.ts'
import { readClientCert } from './client_certificate.ts'
import { DatabaseUnusable, openEmbeddedDatabase } from './embedded/database.ts'
import type { ScriptRunner } from './embedded/libsql.ts'
import { sendOutside } from './http/outside_requests.ts'
import { readLayoutFile } from './mail_transports/layout_file.ts'
import { mailTransport, type ShowMail } from './mail_transports/mail_transports.ts'
import { sendByNodemailer } from './mail_transports/node_smtp.ts'
import { listUndecided, MigrationRefused, migrate, readMigrations } from './migrate.ts'
import { findSecretKey, SECRET_KEY_MISSING, type SecretKeySource } from './own_secret_key.ts'
import { publicFolder } from './public_folder.ts'
import { drawRandom } from './random_bytes.ts'

/** The system itself: actor of the command line, the blueprint and the timer. */
export const SYSTEM: Actor = { kind: 'system', id: null, scopes: new Set(['manage']) }

export type Host = {
  config: Config
  /** Names of the migrations that this opening applied. */
  migrated: readonly string[]
  /** A context that acts as the system. */
  system(): Context
  close(): Promise<void>
}

type Environment = Record<string, string | undefined>

type HostOptions = {
  isCommandLine?: boolean
  /** Shows each mail that `outbox:` keeps, link and code included. */
  showMail?: ShowMail | undefined
}

/**
 * Reads the environment, opens the database and brings its schema up to date. The
 * command line may go without SECRET_KEY: then only that works which seals nothing. Throws
 * CannotStart.
 */
export async function openHost(
  env: Environment,
  log: Log,
  { isCommandLine = false, showMail }: HostOptions = {},
): Promise<Host & { open: Opener }> {
  const secret = findSecretKey(env)
  const missing = secret.text === null && !isCommandLine ? SECRET_KEY_MISSING : null
  let config = readConfig(env, secret, missing)
  const trusted = trustedProxies(config)
  const argon2 = await loadArgon2()
  const database = await openDatabase(config)
  let migrated: readonly string[]
  try {
    const folder = fileURLToPath(new URL('../../migrations', import.meta.url))
    migrated = await migrate(database, readMigrations(folder))
    for (const { message, fields } of await listUndecided(database, migrated)) {
      log('warn', message, fields)
    }
  } catch (error) {
    await database.close()
    const failure = explain(error, config)
    if (missing === null || !(error instanceof DatabaseUnavailable)) throw failure
    throw new CannotStart(`${failure instanceof Error ? failure.message : failure}\n${missing}`)
  }
  if (missing !== null) {
    await database.close()
    throw new CannotStart(missing)
  }

  const { allow_private_addresses } = config
  const fetch = guardFetch(sendOutside(allow_private_addresses), allow_private_addresses)
  const mail = mailTransport(config, sendByNodemailer, { show: showMail })
  const memory: Memory = new Map()
  const random = drawRandom()
  const running = new Set<Promise<unknown>>()
  const context = (
    actor: Actor,
    address: string,
    client_certificate: ClientCertificate | null,
  ): Context => ({
    config,
    db: database,
    now: () => Math.floor(Date.now() / 1000),
    random,
    pause: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
    log,
    fetch,
    mail,
    background(promise) {
      const settled = promise
        .catch((error) => log('error', 'background work failed', { error: String(error) }))
        .finally(() => running.delete(settled))
      running.add(settled)
    },
    address,
    client_certificate,
    actor,
    parties: noParties(),
    memory,
    argon2,
    rid: crypto.randomUUID(),
  })
  if (isCommandLine) leaveSecretKeysUnnoted(context(SYSTEM, '', null))
  if (isCommandLine && secret.isDoubtful) {
    const isIts = await opensAnything(context(SYSTEM, '', null))
    if (!isIts) config = { ...config, secret_keys: [] }
  }
  return {
    config,
    migrated,
    system: () => context(SYSTEM, '', null),
    open: (request, socketAddress) =>
      context(
        ANONYMOUS,
        peerAddress(request, socketAddress, trusted),
        certificateOfPeer(request, socketAddress, trusted, config.mtls),
      ),
    async close() {
      await Promise.allSettled(running)
      await database.close()
    },
  }
}

type Opener = (request: Request, socketAddress: string) => Context

/**
 * Opens the host and does the rest of a start: keys, first operator, blueprint. The application is
 * read here: most commands do without it.
 */
export async function startHost(env: Environment, log: Log, options: HostOptions = {}) {
  const [
    { createApp },
    { runJobs },
    { ensureFirstOperator },
    { startBlueprintFile },
    { ensureReportingClient },
  ] = await Promise.all([
    import('../app.ts'),
    import('../jobs.ts'),
    import('../identity/setup.ts'),
    import('./blueprint_file.ts'),
    import('../oauth/clients/reporting_client.ts'),
  ])
  const host = await openHost(env, log, options)
  try {
    const cx = host.system()
    await signingKeys(cx)
    await proveSecretKey(cx)
    await noteOtherRows(cx)
    const { admin_email, admin_password, blueprint, reports_client_secret } = host.config
    if (admin_email !== undefined && admin_password !== undefined) {
      await ensureFirstOperator(cx, admin_email, admin_password, blueprint !== undefined)
    }
    if (blueprint !== undefined) {
      const { changes, left, warnings = [] } = await startBlueprintFile(cx, blueprint, env)
      for (const line of changes) log('info', 'blueprint', { change: line })
      for (const line of left) log('info', 'blueprint', { left: line })
      for (const line of warnings) log('warn', 'blueprint', { warning: line })
    }
    // Behind the blueprint, which may have one of its own.
    if (reports_client_secret !== undefined) await ensureReportingClient(cx, reports_client_secret)
  } catch (error) {
    await host.close()
    throw explain(error, host.config)
  }
  const jobs = setInterval(() => runJobs(host.system()), 60_000)
  const app = createApp(
    (request, peer) => {
      const address =
        typeof peer === 'object' && peer !== null && 'address' in peer ? String(peer.address) : ''
      return host.open(request, address)
    },
    issuerPath(host.config.issuer),
    publicFolder(fileURLToPath(new URL('../../public', import.meta.url))),
  )
  return {
    ...host,
    /** Answers one request; `address` is the peer's, as the socket knows it. */
    fetch: (request: Request, address: string) => app.fetch(request, { address }),
    async close() {
      clearInterval(jobs)
      await host.close()
    },
  }
}

/** Rows that nobody can open any more hold nobody up; an operator may want to know of them. */
async function noteOtherRows(cx: Context): Promise<void> {
  const { unopened, secret_keys } = await keyStatus(cx)
  const retired = unopened.signing_keys.length
  if (retired + unopened.other > 0) {
    cx.log('warn', 'SECRET_KEY does not open some rows, which are of no more use', {
      retired_signing_keys: retired,
      other_rows: unopened.other,
    })
  }
  if (secret_keys.some(({ may_go }) => may_go)) {
    cx.log('info', 'an old SECRET_KEY may be dropped: allauth key status')
  }
}

/** Whether the SECRET_KEY of this machine is that of the database: it opens something there. */
async function opensAnything(cx: Context): Promise<boolean> {
  const values = await cx.db.read(listIndispensable(cx.now()))
  return (await findUnopened(cx, values)).length < values.length
}

/** Throws CannotStart, with what is missing beside the faults, so that one start names them all. */
function readConfig(env: Environment, secret: SecretKeySource, missing: string | null): Config {
  const extra: EnvironmentFault[] = []
  // All else is judged with some key.
  const SECRET_KEY = secret.text ?? 'A'.repeat(43)
  const { config: read, faults } = readEnvironment({ ...env, SECRET_KEY })
  const { text: email_layout, faults: faultsOfLayout } = readLayoutFile(env)
  extra.push(...faultsOfLayout)
  const secret_keys = secret.text === null ? [] : (read?.secret_keys ?? [])
  const config = read && { ...read, secret_keys, email_layout }
  // Also where other variables have faults, so that one start names them all.
  for (const entry of readVariable('TRUSTED_PROXY', env)) {
    const [address = '', bits] = entry.split('/')
    if (
      entry !== 'loopback' &&
      (isIP(address) === 0 ||
        (bits !== undefined &&
          !(/^\d{1,3}$/.test(bits) && Number(bits) <= (isIP(address) === 6 ? 128 : 32))))
    ) {
      extra.push({
        name: 'TRUSTED_PROXY',
        problem: `has "${entry}", which is no address, no range and not the word loopback`,
        example: VARIABLES.TRUSTED_PROXY.example,
      })
    }
  }
  if (config?.mtls?.from === 'cloudflare') {
    extra.push({
      name: 'MTLS',
      problem: 'is cloudflare, which is for Workers alone',
      example: 'off, with CLIENT_CERTIFICATE_HEADER=Client-Cert',
    })
  }
  if (config === undefined || extra.length > 0) {
    const described = describeFaults([...faults, ...extra])
    throw new CannotStart(missing === null ? described : `${described}\n${missing}`)
  }
  return config
}

async function loadArgon2(): Promise<WebAssembly.Module> {
  // Read as a file, since an import of .wasm differs from runtime to runtime.
  const file = fileURLToPath(import.meta.resolve('@phi-ag/argon2/argon2.wasm'))
  return WebAssembly.compile(new Uint8Array(await readFile(file)))
}

type OpenDatabase = Database & ScriptRunner & { close(): void | Promise<void> }

async function openDatabase(config: Config): Promise<OpenDatabase> {
  try {
    if (config.database_url.startsWith('file:')) {
      return await openEmbeddedDatabase(config.database_url)
    }
    // Read where it is used: the client of a remote database holds some megabytes.
    const { openRemoteDatabase } = await import('./remote_database.ts')
    return openRemoteDatabase({
      url: config.database_url,
      authToken: config.database_auth_token,
    })
  } catch (error) {
    throw explain(error, config)
  }
}

/** The remedy for a failure at start, for a person; an unforeseen failure passes unchanged. */
export function explain(error: unknown, config: Config): unknown {
  if (error instanceof DatabaseUnusable || error instanceof MigrationRefused) {
    return new CannotStart(error.message)
  }
  if (error instanceof DatabaseUnavailable) {
    return new CannotStart(
      `The database at ${withoutSecrets(config.database_url)} cannot be reached (${error.message}). ` +
        'Check DATABASE_URL and that it is running.',
    )
  }
  if (error instanceof Problem) {
    return new CannotStart([error.detail, ...error.errors.map((one) => one.detail)].join(': '))
  }
  if (error instanceof SecretKeyMissing) {
    return new CannotStart(
      'SECRET_KEY is missing: set it to the one of this database. Signing keys are also rotated and ' +
        'revoked over HTTP, at /v1/keys, by the server that has it.',
    )
  }
  if (error instanceof UnsealError) {
    return new CannotStart(
      'SECRET_KEY does not open the signing keys in the database, or secrets beside them ' +
        `(${error.message}). Give the key they were sealed with; to change it, put the new one first and ` +
        'keep the old one behind a comma. A signing key that was sealed with a wrong one goes with: ' +
        'allauth key delete KID',
    )
  }
  return error
}

/** Scheme, host and port alone; of a file, its path. */
const withoutSecrets = (url: string) =>
  url.startsWith('file:') ? url : url.replace(/^([a-z]+:\/\/[^/?#@]*).*$/i, '$1')

function trustedProxies(config: Config): BlockList {
  const list = new BlockList()
  for (const entry of config.trusted_proxy) {
    if (entry === 'loopback') {
      list.addSubnet('127.0.0.0', 8, 'ipv4')
      list.addAddress('::1', 'ipv6')
      continue
    }
    const [address = '', bits] = entry.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return list
}

/**
 * The address of the peer. X-Forwarded-For is believed only from a trusted proxy, and then read
 * from the right: the last address that is not such a proxy itself.
 */
export function peerAddress(request: Request, socketAddress: string, trusted: BlockList): string {
  const isTrusted = (address: string) => {
    const family = isIP(address)
    return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
  let address = plain(socketAddress)
  const forwarded = (request.headers.get('x-forwarded-for') ?? '')
    .split(',')
    .map((s) => plain(s.trim()))
  while (isTrusted(address)) {
    const next = forwarded.pop()
    if (next === undefined || isIP(next) === 0) break
    address = next
  }
  return address
}

/**
 * The certificate of the peer, as a trusted proxy names it. From every other sender the headers
 * count for nothing: a caller that connects directly could write any name into them.
 */
export function certificateOfPeer(
  request: Request,
  socketAddress: string,
  trusted: BlockList,
  mtls: MutualTls | null,
): ClientCertificate | null {
  if (mtls?.from !== 'header') return null
  const address = plain(socketAddress)
  const family = isIP(address)
  if (family === 0 || !trusted.check(address, family === 6 ? 'ipv6' : 'ipv4')) return null
  const verified = mtls.verified === null ? null : request.headers.get(mtls.verified)
  // The value of nginx ($ssl_client_verify) and of Cloudflare.
  return readClientCert(request.headers.get(mtls.certificate) ?? '', verified === 'SUCCESS')
}

/** The address without the port that some proxies add; a mapped IPv4 address as plain IPv4. */
const plain = (address: string) =>
  address
    .replace(/^\[(.*)\](?::\d+)?$/, '$1')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/i, '')

/** One JSON line for each entry, to standard error. */
export const logToStderr: Log = (level, message, fields = {}) => {
  console.error(JSON.stringify({ at: new Date().toISOString(), level, message, ...fields }))
}

/** The error for a listener that could not be opened. */
export function explainListen(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  const text = error instanceof Error ? error.message : String(error)
  if (code === 'EADDRINUSE' || /in use/i.test(text)) {
    return new CannotStart(
      `Port ${port} on ${host} is in use by another program. Stop that one, or set PORT (ISSUER follows it).`,
    )
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    return new CannotStart(`${host}:${port} cannot be listened on (${text}). Set HOST and PORT.`)
  }
  return error
}
