// Idempotency-Key: a repeated POST gets the first answer. Owns the table idempotency_key.
import type { MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Context } from '../context.ts'
import { mac, seal, sha256, unseal, verifyMac } from '../crypto.ts'
import { type Statement, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import type { Env } from '../http.ts'

/** Seconds for which an answer is kept. */
export const IDEMPOTENCY_TTL = 86_400
/** Seconds; longer than any request may run. */
const PENDING = 60

type Remembered = {
  rid: string
  request_hash: string
  status: number | null
  response: string | null
}

type Answer = { scopes: string[]; headers: [string, string][]; body: string }

/** The scopes of an actor, each with the groups on which alone it holds it. */
const scopesOf = ({ actor: { scopes, places } }: Context): string[] => [
  ...scopes,
  ...[...(places ?? [])].flatMap(([scope, reach]) =>
    reach.map(({ group_id }) => `${scope} on ${group_id}`),
  ),
]

const rememberRequest = (cx: Context, hash: string, request_hash: string): Statement<Remembered> =>
  // An entry that has run out is taken over as if it were new. An entry without an answer soon runs
  // out: its request is gone, or could not reach the database any more.
  sql`insert into idempotency_key (hash, rid, request_hash, expires_at)
    values (${hash}, ${cx.rid}, ${request_hash}, ${cx.now() + PENDING})
    on conflict (hash) do update set
      rid = case when expires_at <= ${cx.now()} then ${cx.rid} else rid end,
      request_hash = case when expires_at <= ${cx.now()} then ${request_hash} else request_hash end,
      status = case when expires_at <= ${cx.now()} then null else status end,
      response = case when expires_at <= ${cx.now()} then null else response end,
      expires_at = case when expires_at <= ${cx.now()} then ${cx.now() + PENDING} else expires_at end
    returning rid, request_hash, status, response`

/**
 * Repeats the first answer to a POST that comes again with the same Idempotency-Key from the same
 * actor. The answer is kept sealed, since it may hold a secret that is shown once. A token with
 * fewer scopes than the first one does not get it. A failed request is not kept.
 */
export const idempotency: MiddlewareHandler<Env> = async (c, next) => {
  const key = c.req.header('idempotency-key')
  if (key === undefined || c.req.method !== 'POST') return next()
  const cx = c.var.cx
  if (key.length === 0 || key.length > 255) {
    throw new Problem('invalid_request', 'Idempotency-Key must have 1 to 255 characters')
  }
  // app.ts has bounded it before; Hono keeps the bytes for the handler.
  const body = await c.req.arrayBuffer()
  const path = new URL(c.req.url).pathname
  const hash = sha256([cx.actor.kind, cx.actor.id, path, key].join('\n'))
  const text = new TextDecoder().decode(body)
  const request_hash = mac(cx, 'idempotency', text)
  const [entry] = await cx.db.write(rememberRequest(cx, hash, request_hash))
  if (entry === undefined) throw new Error('the idempotency key was not stored')
  // Another SECRET_KEY may have begun to seal between the two.
  if (!verifyMac(cx, 'idempotency', text, entry.request_hash)) {
    throw new Problem('idempotency_mismatch', 'this Idempotency-Key came with another body before')
  }
  if (entry.rid !== cx.rid) {
    if (entry.status === null || entry.response === null) {
      throw new Problem('conflict', 'a request with this Idempotency-Key is still being worked on')
    }
    const answer = await unseal(cx, `idempotency_key.response:${hash}`, entry.response)
    const { scopes, headers, body } = JSON.parse(answer) as Answer
    const own = scopesOf(cx)
    if (!scopes.every((scope) => own.includes(scope))) {
      throw new Problem('forbidden', 'the first answer was given to a token with more scopes')
    }
    for (const [name, value] of headers) c.header(name, value)
    c.header('Idempotent-Replayed', 'true')
    if (entry.status === 204) return c.body(null, 204)
    return c.body(body, entry.status as ContentfulStatusCode)
  }
  await next()
  if (c.res.ok) {
    const headers = [...c.res.headers].filter(([name]) =>
      ['cache-control', 'content-type', 'etag', 'location'].includes(name),
    )
    const response = await seal(
      cx,
      `idempotency_key.response:${hash}`,
      JSON.stringify({
        scopes: scopesOf(cx),
        headers,
        body: await c.res.clone().text(),
      } satisfies Answer),
    )
    await cx.db.write(sql`update idempotency_key
      set status = ${c.res.status}, response = ${response}, expires_at = ${cx.now() + IDEMPOTENCY_TTL}
      where hash = ${hash} and rid = ${cx.rid}`)
  } else {
    await cx.db.write(sql`delete from idempotency_key where hash = ${hash} and rid = ${cx.rid}`)
  }
}

/** How many answers each SECRET_KEY has sealed; its id stands behind `v1.`. */
export const countSealedAnswers = (): Statement<{ sealer: string; count: number }> =>
  sql`select substr(response, 4, 8) as sealer, count(*) as count from idempotency_key
    where response is not null group by sealer`

/** For the timer. */
export const deleteOldIdempotencyKeys = (cx: Context): Statement =>
  sql`delete from idempotency_key where expires_at <= ${cx.now()}`
