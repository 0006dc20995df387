// A token status list of the test's issuer, packed and signed here: mProxy's own reading is not its
// witness. It is served with an ETag, counts how it is asked, and can be anything but well formed.

import { deflateSync } from 'node:zlib'
import { SignJWT } from 'jose'
import type { Answer, IssuerKey, TestIssuer } from './issuer.ts'

export interface ListParts {
  bits?: number
  /** Entries of the list, those that are not named being 0. */
  length?: number
  values?: Record<number, number>
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  key?: IssuerKey
  /** Instead of the packed and deflated entries. */
  lst?: unknown
}

/** Entries of `bits` bits, from the least significant bits of each byte on. */
export function packList(bits: number, values: ArrayLike<number>): string {
  const perByte = 8 / bits
  const bytes = Buffer.alloc(Math.ceil(values.length / perByte))
  for (let at = 0; at < values.length; at++) {
    const byte = Math.floor(at / perByte)
    bytes[byte] = bytes[byte]! + values[at]! * 2 ** (bits * (at % perByte))
  }
  return deflateSync(bytes, { level: 9 }).toString('base64url')
}

export async function signList(
  issuer: TestIssuer,
  uri: string,
  { bits = 2, length = 1024, values = {}, ...parts }: ListParts = {},
): Promise<string> {
  const entries = Array.from({ length }, (_, idx) => values[idx] ?? 0)
  const key = parts.key ?? issuer.keys[0]!
  const at = Math.floor(Date.now() / 1000)
  return new SignJWT({
    sub: uri,
    iat: at,
    exp: at + 86_400,
    ttl: 1,
    status_list: { bits, lst: parts.lst ?? packList(bits, entries) },
    ...parts.claims,
  })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'statuslist+jwt', ...parts.header })
    .sign(key.privateKey)
}

export interface PublishedList {
  readonly uri: string
  readonly requests: { whole: number; unchanged: number; now: number; most: number }
  /** The claim of a token at that index. */
  at(idx: number): { status: { status_list: { idx: number; uri: string } } }
  publish(parts: ListParts): Promise<void>
  /** Serves any text, or lets `answer` do it. */
  serve(answer: string | Answer): void
  /** Until so many more requests were answered with whatever is served now. */
  asked(more?: number): Promise<void>
}

export async function publishList(
  issuer: TestIssuer,
  path = '/status-lists/1',
  parts: ListParts = {},
): Promise<PublishedList> {
  const uri = issuer.url + path
  const requests = { whole: 0, unchanged: 0, now: 0, most: 0 }
  let served: string | Answer = ''
  let version = 0
  const waiting: (() => void)[] = []
  issuer.answers.set(new URL(uri).pathname, (request, response) => {
    requests.now++
    requests.most = Math.max(requests.most, requests.now)
    response.once('close', () => {
      requests.now--
      for (const look of waiting.splice(0)) look()
    })
    if (typeof served !== 'string') return served(request, response)
    const etag = `"${version}"`
    if (request.headers['if-none-match'] === etag) {
      requests.unchanged++
      response.writeHead(304, { etag }).end()
      return
    }
    requests.whole++
    response.writeHead(200, { etag, 'content-type': 'application/statuslist+jwt' }).end(served)
  })
  const list: PublishedList = {
    uri,
    requests,
    at: (idx) => ({ status: { status_list: { idx, uri } } }),
    async publish(next) {
      list.serve(await signList(issuer, uri, next))
    },
    serve(answer) {
      served = answer
      version++
    },
    async asked(more = 1) {
      for (let n = 0; n < more; n++) await new Promise<void>((look) => waiting.push(look))
    },
  }
  await list.publish(parts)
  return list
}
