// Requests to the outside from Node, Deno and Bun: every answer of DNS is judged, and the
// connection goes to an address that was judged, so that a name cannot point elsewhere a moment
// later (DNS rebinding).
import { lookup } from 'node:dns/promises'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import { isPublicAddress, OutsideRefused, type Send } from '../../outside.ts'

export const sendOutside =
  (allowPrivate: boolean): Send =>
  async (url, { method, headers, body, signal }) => {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const found = isIP(host) === 0 ? await lookup(host, { all: true }) : [{ address: host }]
    // Every answer must be public: a name with one public and one private address is a trap, not a
    // mistake.
    if (!allowPrivate && !found.every(({ address }) => isPublicAddress(address))) {
      throw new OutsideRefused('private_address')
    }
    const [target] = found
    if (target === undefined || signal.aborted) throw new OutsideRefused('unreachable')
    const secure = url.protocol === 'https:'
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = secure ? requestHttps : requestHttp
      const sent = send(
        {
          host: target.address,
          port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
          path: url.pathname + url.search,
          method,
          headers: {
            ...headers,
            host: url.host,
            'accept-encoding': 'identity',
            ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
          },
          // The certificate is that of the name, not of the address.
          ...(secure && isIP(host) === 0 ? { servername: host } : {}),
          signal,
          agent: false,
        },
        resolve,
      )
      sent.once('error', reject)
      sent.end(body)
    })
    const status = message.statusCode ?? 0
    const received = new Headers()
    for (const [name, value] of Object.entries(message.headers)) {
      for (const one of [value ?? []].flat()) received.append(name, one)
    }
    // Response takes no body with these.
    const bodiless = status === 204 || status === 205 || status === 304
    if (bodiless) message.resume()
    const stream = bodiless ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>)
    return new Response(stream, { status, headers: received })
  }
