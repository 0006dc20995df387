// A worker for tests: the real application over a fresh, real database, with a clock that is set.
import { createApp } from '../worker/app.ts'
import {
  type Actor,
  ANONYMOUS,
  type ClientCertificate,
  type Context,
  type LogFields,
  type Memory,
  noParties,
} from '../worker/context.ts'
import { type Config, readEnvironment } from '../worker/environment.ts'
import type { MailOutcome, OutgoingMail } from '../worker/mail/outgoing.ts'
import { guardFetch } from '../worker/outside.ts'
import { issuerPath } from '../worker/web/issuer_path.ts'
import type { ReadPublicFile } from '../worker/web/public_files.ts'
import { lender } from './databases/remote.ts'
import { ENVIRONMENT, EPOCH, ISSUER } from './support/environment.ts'
import { shareHashes } from './support/known_hashes.ts'

export { ISSUER } from './support/environment.ts'

/** The system itself: what the blueprint and the command line act as. */
export const SYSTEM: Actor = { kind: 'system', id: null, scopes: new Set(['manage']) }

export type TestWorker = Awaited<ReturnType<typeof startWorker>>

/** Answers at addresses outside. */
export type Outside = Record<string, (request: Request) => Response | Promise<Response>>

export type WorkerOptions = {
  outside?: Outside
  /** Whether the database has signing keys already, sealed with the key of `ENVIRONMENT`. */
  hasKeys?: boolean
  /** Files of `public/` by name. */
  files?: Readonly<Record<string, string>>
  /** Whether each password is really hashed, although the run knows its hash: see known_hashes.ts. */
  hashesAnew?: boolean
}

/** The certificate that a test gives to its connection, as far as it says of it. */
function certificateOf(header: string | null): ClientCertificate | null {
  if (header === null) return null
  const unknown = { spki: null, issuer: null, der: null }
  return { ...unknown, ...(JSON.parse(header) as ClientCertificate) }
}

/** The part of a worker that its requests bring to the application. */
type Host = {
  open(request: Request): Context
  read(name: string): ReturnType<ReadPublicFile>
}

/**
 * Applications by the path of their issuer. As on Workers, one serves all requests of the process:
 * to build it takes longer than many a test.
 */
const apps = new Map<string, ReturnType<typeof createApp>>()

function appAt(base: string): ReturnType<typeof createApp> {
  const app =
    apps.get(base) ??
    createApp(
      (request, host) => (host as Host).open(request),
      base,
      (host, name) => (host as Host).read(name),
    )
  apps.set(base, app)
  return app
}

export async function startWorker(
  env: Record<string, string> = {},
  {
    outside = {},
    hasKeys = env['SECRET_KEY'] === undefined,
    files = {},
    hashesAnew = false,
  }: WorkerOptions = {},
) {
  const { url, open, roundTrips } = await lender.lendDatabase(hasKeys)
  const { config, faults } = readEnvironment({
    ...ENVIRONMENT,
    DATABASE_URL: url,
    ...env,
  })
  if (config === undefined) throw new Error(faults.map((fault) => fault.name).join())
  const clock = { now: EPOCH }
  const memory: Memory = new Map()
  const log: { level: string; message: string; fields: LogFields }[] = []
  const running: Promise<unknown>[] = []
  const pauses: number[] = []
  const post = {
    sent: [] as OutgoingMail[],
    answer: (): MailOutcome | Promise<MailOutcome> =>
      config.email.via === 'outbox'
        ? { outcome: 'kept' }
        : { outcome: 'sent', answer: '250 taken' },
  }
  const context = (
    actor: Actor = SYSTEM,
    address = '192.0.2.1',
    client_certificate: ClientCertificate | null = null,
  ): Context => {
    const random = (n: number) => crypto.getRandomValues(new Uint8Array(n))
    return {
      config: config as Config,
      db: open(),
      now: () => clock.now,
      random,
      pause: async (seconds) => {
        pauses.push(seconds)
      },
      log: (level, message, fields = {}) => {
        log.push({ level, message, fields })
      },
      fetch: guardFetch(async (target, init) => {
        const answer = outside[target.href.split('?')[0] ?? '']
        if (answer === undefined) throw new Error(`nothing is at ${target.href}`)
        return answer(new Request(target, { ...init, redirect: 'manual' } as RequestInit))
      }, config.allow_private_addresses),
      mail: async (mail) => {
        post.sent.push(mail)
        return post.answer()
      },
      background: (promise) => {
        running.push(
          promise.catch((error) =>
            log.push({ level: 'error', message: String(error), fields: {} }),
          ),
        )
      },
      address,
      client_certificate,
      actor,
      parties: noParties(),
      memory,
      argon2: lender.argon2,
      rid: crypto.randomUUID(),
    }
  }
  if (!hashesAnew) await shareHashes(context())
  const host: Host = {
    open: (request) =>
      context(
        ANONYMOUS,
        request.headers.get('x-test-address') ?? '192.0.2.1',
        certificateOf(request.headers.get('x-test-certificate')),
      ),
    async read(name) {
      const text = files[name]
      if (text === undefined) return null
      return { body: new TextEncoder().encode(text), etag: `"tag-of-${text.length}"` }
    },
  }
  const shared = appAt(issuerPath(config.issuer))
  const app = {
    request: async (input: string | Request, init?: RequestInit): Promise<Response> =>
      shared.request(input, init, host),
  }
  return {
    app,
    clock,
    memory,
    log,
    config,
    /** Mails that left, and the answer of the next transport. */
    post,
    /** Seconds that requests would have waited. */
    pauses,
    /** A context outside a request, acting as the system unless told otherwise. */
    context,
    /** `app.request` on the issuer's origin. */
    request: async (path: string, init?: RequestInit): Promise<Response> =>
      app.request(new URL(path, ISSUER).href, init),
    /** Waits until nothing goes on behind the answers. */
    async settled(): Promise<void> {
      while (running.length > 0) await Promise.all(running.splice(0))
    },
    /** How many batches the database has answered so far. */
    roundTrips,
  }
}

/**
 * How many database round trips `action` took in front of its answers. Events of refusals, which
 * are written behind them, are not noted meanwhile: the process counts as many as it can already.
 */
export async function countRoundTrips<T>(worker: TestWorker, action: () => Promise<T>) {
  await worker.settled()
  const waiting = new Map(Array.from({ length: 500 }, (_, i) => [String(i), { unwritten: 0 }]))
  worker.memory.set('refusals', { value: { waiting, strangers: 0 }, expires_at: Infinity })
  const before = await worker.roundTrips()
  const value = await action()
  const roundTrips = (await worker.roundTrips()) - before
  worker.memory.delete('refusals')
  return { value, roundTrips }
}
