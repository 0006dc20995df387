// A reader of token status lists, as a resource server is one: it knows what a token tells, the
// lists, and the JWKS.
import { createLocalJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose'
import { valueAt } from '../../worker/status/status_list.ts'
import type { TestWorker } from '../context.ts'

type Status = { status_list: { idx: number; uri: string } }

export const claimsOf = (token: string): JWTPayload & { status?: Status } => decodeJwt(token)

/** Fetches a list and verifies it. */
export async function readList(worker: TestWorker, uri: string) {
  const answer = await worker.request(uri)
  if (answer.status !== 200) throw new Error(`${uri}: ${answer.status}`)
  const jwt = new TextDecoder().decode(await answer.arrayBuffer())
  const jwks = await (await worker.request('/.well-known/jwks.json')).json()
  const { payload, protectedHeader } = await jwtVerify(
    jwt,
    createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0]),
    { typ: 'statuslist+jwt', currentDate: new Date(worker.clock.now * 1000) },
  )
  const { lst } = payload['status_list'] as { lst: string }
  const compressed = Uint8Array.from(atob(lst.replaceAll('-', '+').replaceAll('_', '/')), (one) =>
    one.charCodeAt(0),
  )
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream('deflate'))
  const places = new Uint8Array(await new Response(stream).arrayBuffer())
  return { answer, jwt, header: protectedHeader, claims: payload, places }
}

/** The value of the entry that a token tells. */
export async function statusOf(worker: TestWorker, token: string): Promise<number> {
  const { status } = claimsOf(token)
  if (status === undefined) throw new Error('the token tells no status')
  const { places } = await readList(worker, status.status_list.uri)
  return valueAt(places, status.status_list.idx)
}
