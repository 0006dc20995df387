// The worker on Cloudflare Workers. The environment is vars and secrets. The database is reached
// over HTTP by a client that belongs to one request. An isolate remembers only values, keyed by
// issuer.
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
import { type Config, describeFaults, readEnvironment } from '../environment.ts'
import { runJobs } from '../jobs.ts'
import { guardFetch } from '../outside.ts'
import { issuerPath } from '../web/issuer_path.ts'
import { certificateOfCloudflare, type TlsClientAuth } from './client_certificate.ts'
import { openRemoteDatabase } from './remote_database.ts'

type Environment = Readonly<Record<string, string>>
type Execution = { waitUntil(promise: Promise<unknown>): void }

const memories = new Map<string, Memory>()
const configs = new WeakMap<object, Config>()

const log: Log = (level, message, fields = {}) => {
  console[level](JSON.stringify({ level, message, ...fields }))
}

class FaultyEnvironment extends Error {}

function configOf(env: Environment): Config {
  const known = configs.get(env)
  if (known !== undefined) return known
  const { config, faults } = readEnvironment(env)
  if (config === undefined) throw new FaultyEnvironment(describeFaults(faults))
  if (config.database_url.startsWith('file:')) {
    throw new FaultyEnvironment(
      'DATABASE_URL is a file, and Workers have none. Example: DATABASE_URL=libsql://allauth.example.com',
    )
  }
  if (config.mtls?.from === 'header') {
    throw new FaultyEnvironment(
      'CLIENT_CERTIFICATE_HEADER is for programs behind a proxy of their own. Example: MTLS=cloudflare',
    )
  }
  configs.set(env, config)
  return config
}

function open(
  env: Environment,
  actor: Actor,
  address: string,
  client_certificate: ClientCertificate | null,
  waitUntil: Execution['waitUntil'],
): Context {
  const config = configOf(env)
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
  const app = apps.get(base) ?? createApp(openRequest, base)
  apps.set(base, app)
  return app
}

const openRequest: Open = (request, env, waitUntil) =>
  // Set by Cloudflare itself; a header of this name from a visitor does not get through.
  open(
    env as Environment,
    ANONYMOUS,
    request.headers.get('cf-connecting-ip') ?? '',
    certificateOfConnection(request, configOf(env as Environment)),
    waitUntil,
  )

export default {
  async fetch(request: Request, env: Environment, execution: Execution): Promise<Response> {
    let config: Config
    try {
      config = configOf(env)
    } catch (error) {
      if (!(error instanceof FaultyEnvironment)) throw error
      log('error', 'the environment is faulty', { faults: error.message })
      return new Response('The service is not set up; its log says what is missing.\n', {
        status: 503,
        headers: { 'Retry-After': '60' },
      })
    }
    return appFor(config).fetch(request, env, execution as never)
  },
  async scheduled(_event: unknown, env: Environment, execution: Execution): Promise<void> {
    const system: Actor = { kind: 'system', id: null, scopes: new Set(['manage']) }
    await runJobs(open(env, system, '', null, (promise) => execution.waitUntil(promise)))
  },
}
