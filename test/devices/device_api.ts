// The routes of devices behind a guard that lets everybody in as the actor a test names.
import { OpenAPIHono } from '@hono/zod-openapi'
import { problemResponse } from '../../worker/api.ts'
import type { Actor, Context } from '../../worker/context.ts'
import { group, membership, principal } from '../../worker/db/schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { createDeviceType } from '../../worker/devices/device_types.ts'
import { deviceRoutes } from '../../worker/devices/routes.ts'
import { Problem } from '../../worker/errors.ts'
import type { Env } from '../../worker/http.ts'
import { ISSUER, SYSTEM, startWorker, type TestWorker } from '../context.ts'

export type Answer = {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire is looked at field by field
  body: any
  headers: Headers
}

/** The routes, built once; a request brings its context. */
const app = new OpenAPIHono<Env>()
app.use(async (c, next) => {
  c.set('cx', (c.env as { cx: Context }).cx)
  await next()
})
app.route('/', deviceRoutes())
app.onError((error, c) => {
  if (error instanceof Problem) return problemResponse(c, error)
  throw error
})

export function deviceApi(worker: TestWorker, actor: Actor = SYSTEM) {
  return async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const init = {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: body instanceof Blob ? body : JSON.stringify(body) }),
    }
    const cx = worker.context(actor)
    const answer = await app.request(new URL(path, ISSUER).href, init, { cx })
    const text = await answer.text()
    return {
      status: answer.status,
      body: text === '' ? null : JSON.parse(text),
      headers: answer.headers,
    }
  }
}

/** A worker with the type `dimmer`, the groups given, and the API as the system. */
export async function startDevices(groups: readonly string[] = []) {
  const worker = await startWorker()
  await createDeviceType(worker.context(), { name: 'dimmer' })
  for (const id of groups) await addGroup(worker, id)
  return { worker, api: deviceApi(worker) }
}

export async function addGroup(worker: TestWorker, id: string, parent_id: string | null = null) {
  const cx = worker.context()
  const times = { created_at: cx.now(), updated_at: cx.now() }
  await cx.db.write([
    insertInto(principal, { id, kind: 'group', rid: cx.rid, created_at: cx.now() }),
    insertInto(group, { id, kind: 'site', name: id, parent_id, ...times, version: 1 }),
  ])
}

export async function addMember(worker: TestWorker, group_id: string, member_id: string) {
  const cx = worker.context()
  await cx.db.write(insertInto(membership, { group_id, member_id, created_at: cx.now() }))
}

/** A new public key of a kind. */
export async function newJwk(
  kind: 'Ed25519' | 'P-256' | 'RSA' = 'Ed25519',
  bits = 2048,
): Promise<JsonWebKey> {
  const algorithm =
    kind === 'Ed25519'
      ? { name: 'Ed25519' }
      : kind === 'P-256'
        ? { name: 'ECDSA', namedCurve: 'P-256' }
        : {
            name: 'RSASSA-PKCS1-v1_5',
            modulusLength: bits,
            publicExponent: new Uint8Array([1, 0, 1]),
            hash: 'SHA-256',
          }
  const pair = (await crypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair
  const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e }))
}

/** The types of the events about a subject, in order. */
export async function eventsOf(worker: TestWorker, subject_id: string) {
  const rows = await worker
    .context()
    .db.read(
      sql<{ type: string }>`select type from event where subject_id = ${subject_id} order by rowid`,
    )
  return rows.map(({ type }) => type)
}
