// The worker on Cloudflare Workers. The environment is vars and secrets. The database is reached
// over HTTP by a client that belongs to one request. An isolate remembers only values, keyed by
// issuer.
import { connect } from 'cloudflare:sockets'
import argon2 from '@phi-ag/argon2/argon2.wasm'
import { createApp, type Open } from '../app.ts'
import {
  type Actor,
  ANONYMOUS,
  type ClientCertificate,
  type Context,
  type Log,
  type Memory,
  noParties,
} from '../context.ts'
import {
  type Config,
  describeFaults,
  type EnvironmentFault,
  readEnvironment,
  readVariable,
  VARIABLES,
} from '../environment.ts'
import { runJobs } from '../jobs.ts'
import { guardFetch } from '../outside.ts'
import { issuerPath } from '../web/issuer_path.ts'
import { isLoopbackHost } from '../web/loopback.ts'
import type { ReadPublicFile } from '../web/public_files.ts'
import { certificateOfCloudflare, type TlsClientAuth } from './client_certificate.ts'
import { mailTransport } from './mail_transports/mail_transports.ts'
import { sendOverSocket } from './mail_transports/smtp_session.ts'
import { openRemoteDatabase } from './remote_database.ts'

/** Variables and secrets; `[vars]` may hold numbers, and bindings stand among them. */
type Environment = Readonly<Record<string, unknown>>
type Execution = { waitUntil(promise: Promise<unknown>): void }

const memories = new Map<string, Memory>()
const configs = new WeakMap<object, Config>()

const log: Log = (level, message, fields = {}) => {
  console[level](JSON.stringify({ level, message, ...fields }))
}

/** The configuration, or every fault of a deployment at once. `isLocal`: in `wrangler dev`. */
function readDeployment(
  bindings: Environment,
  isLocal: boolean,
): ReturnType<typeof readEnvironment> {
  const env = textsOf(bindings)
  const { config, faults } = readEnvironment(env)
  const others: EnvironmentFault[] = []
  const replace = (
    name: keyof typeof VARIABLES,
    problem: string,
    example: string = VARIABLES[name].example,
  ) => {
    others.push({ name, problem, example })
  }
  const isMissing = (name: keyof typeof VARIABLES) => (env[name] ?? '').trim() === ''
  const issuer = readVariable('ISSUER', env)
  if (!isLocal && (issuer === undefined || isLoopback(issuer))) {
    replace(
      'ISSUER',
      issuer === undefined
        ? 'is missing'
        : `is ${issuer}, which is another machine for each caller`,
    )
  }
  if (readVariable('DATABASE_URL', env).startsWith('file:')) {
    replace(
      'DATABASE_URL',
      isMissing('DATABASE_URL') ? 'is missing' : 'is a file, and Workers have none',
    )
  }
  const email = readVariable('EMAIL_URL', env)
  if (email.via === 'smtp' && email.port === 25) {
    replace('EMAIL_URL', 'names port 25, which Workers do not reach')
  }
  if (!isMissing('EMAIL_LAYOUT'))
    replace('EMAIL_LAYOUT', 'is a file, and Workers have none', '(nothing)')
  if (!isMissing('CLIENT_CERTIFICATE_HEADER')) {
    const problem = 'is for programs behind a proxy of their own'
    replace('CLIENT_CERTIFICATE_HEADER', problem, '(nothing), with MTLS=cloudflare')
  }
  if (others.length === 0) return config === undefined ? { faults } : { config, faults }
  // One line for each variable.
  const rest = faults.filter(({ name }) => others.every((other) => other.name !== name))
  return { faults: [...rest, ...others] }
}

const textsOf = (env: Environment): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env)
      .filter(([, value]) => typeof value !== 'object')
      .map(([name, value]) => [name, String(value)]),
  )

const isLoopback = (url: string): boolean =>
  URL.canParse(url) && isLoopbackHost(new URL(url).hostname)

/**
 * The configuration, or null where it has faults, which are then in the log. `place` is the address
 * at which the worker is reached; only `wrangler dev` has a loopback one.
 */
function configOf(env: Environment, place: string): Config | null {
  const known = configs.get(env)
  if (known !== undefined && (!isLoopback(known.issuer) || isLoopback(place))) return known
  const { config, faults } = readDeployment(env, isLoopback(place))
  if (config === undefined) {
    log('error', 'the environment is faulty', { faults: describeFaults(faults) })
    return null
  }
  configs.set(env, config)
  return config
}

function open(
  config: Config,
  actor: Actor,
  address: string,
  client_certificate: ClientCertificate | null,
  waitUntil: Execution['waitUntil'],
): Context {
  const memory = memories.get(config.issuer) ?? new Map()
  memories.set(config.issuer, memory)
  return {
    config,
    db: openRemoteDatabase({ url: config.database_url, authToken: config.database_auth_token }),
    now: () => Math.floor(Date.now() / 1000),
    random: (n) => crypto.getRandomValues(new Uint8Array(n)),
    pause: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
    log,
    // Cloudflare resolves the name itself, and its network reaches nothing private.
    fetch: guardFetch(
      (url, init) => fetch(url.href, { ...init, redirect: 'manual' } as RequestInit),
      config.allow_private_addresses,
    ),
    mail: mailTransport(config, (...mail) => sendOverSocket(connect, ...mail)),
    background: waitUntil,
    address,
    client_certificate,
    actor,
    parties: noParties(),
    memory,
    argon2,
    rid: crypto.randomUUID(),
  }
}

/** The certificate that Cloudflare saw on the connection; no header can invent one. */
function certificateOfConnection(request: Request, { mtls }: Config): ClientCertificate | null {
  if (mtls?.from !== 'cloudflare') return null
  const { cf } = request as { cf?: { tlsClientAuth?: TlsClientAuth | null } }
  return certificateOfCloudflare(cf?.tlsClientAuth ?? null)
}

/** The application for each path of an issuer: one, where the environment never changes. */
const apps = new Map<string, ReturnType<typeof createApp>>()

function appFor({ issuer }: Config): ReturnType<typeof createApp> {
  const base = issuerPath(issuer)
  const app = apps.get(base) ?? createApp(openRequest, base, readAsset)
  apps.set(base, app)
  return app
}

/** Reads a file that was sent with the worker (`[assets]` in wrangler.toml). */
const readAsset: ReadPublicFile = async (env, name) => {
  const { ASSETS } = env as { ASSETS?: { fetch(url: string): Promise<Response> } }
  // The host counts for nothing.
  const answer = await ASSETS?.fetch(`https://assets.invalid/${name}`)
  if (answer?.status === 200 && answer.body !== null) {
    return { body: answer.body, etag: answer.headers.get('etag') }
  }
  await answer?.body?.cancel()
  return null
}

const openRequest: Open = (request, env, waitUntil) => {
  const config = configOf(env as Environment, request.url)
  if (config === null) throw new TypeError('a request for a faulty deployment was not refused')
  // Set by Cloudflare itself; a header of this name from a visitor does not get through.
  const address = request.headers.get('cf-connecting-ip') ?? ''
  return open(config, ANONYMOUS, address, certificateOfConnection(request, config), waitUntil)
}

export default {
  async fetch(request: Request, env: Environment, execution: Execution): Promise<Response> {
    const config = configOf(env, request.url)
    if (config !== null) return appFor(config).fetch(request, env, execution as never)
    return new Response('The service is not set up; its log says what is missing.\n', {
      status: 503,
      headers: { 'Retry-After': '60' },
    })
  },
  async scheduled(_event: unknown, env: Environment, execution: Execution): Promise<void> {
    // A timer has no address. Only `wrangler dev` reaches a database at a loopback one.
    const config = configOf(env, String(env['DATABASE_URL']))
    if (config === null) return
    const system: Actor = { kind: 'system', id: null, scopes: new Set(['manage']) }
    await runJobs(open(config, system, '', null, (promise) => execution.waitUntil(promise)))
  },
}
