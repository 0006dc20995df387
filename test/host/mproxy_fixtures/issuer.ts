// A tiny issuer for the tests of mProxy: metadata and keys over real HTTP, tokens signed with jose.
// It counts what it is asked, can answer badly, be stopped and come back on the same port.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export const audience = 'urn:allauth:mqtt'

export interface IssuerKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  jwk: JWK
}

export async function makeKey(alg: string, kid: string): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

export interface TokenParts {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  key?: IssuerKey
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface TestIssuer {
  readonly url: string
  readonly requests: { metadata: number; jwks: number }
  /** Published, in order; the first signs. */
  keys: IssuerKey[]
  cacheControl: string | undefined
  /** Instead of the document of that path. */
  readonly answers: Map<string, Answer>
  /** An access token; a claim or header member given as undefined is left out. */
  mint(parts?: TokenParts): Promise<string>
  stop(): Promise<void>
  /** On the same port. */
  resume(): Promise<void>
}

const paths = {
  metadata: '/.well-known/oauth-authorization-server',
  jwks: '/keys',
}

export async function startIssuer(path = ''): Promise<TestIssuer> {
  let server: Server
  let port = 0
  const requests = { metadata: 0, jwks: 0 }

  const issuer: TestIssuer = {
    get url() {
      return `http://127.0.0.1:${port}${path}`
    },
    requests,
    keys: [await makeKey('ES256', 'first')],
    cacheControl: 'public, max-age=300',
    answers: new Map(),
    async mint({ claims = {}, header = {}, key = issuer.keys[0]! } = {}) {
      const at = Math.floor(Date.now() / 1000)
      return new SignJWT({
        iss: issuer.url,
        sub: 'dev-1',
        client_id: 'dev-1',
        aud: audience,
        iat: at,
        exp: at + 600,
        jti: 'dev-1.a1b2c3',
        ...claims,
      })
        .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
        .sign(key.privateKey)
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
    resume: listen,
  }

  function listen(): Promise<void> {
    server = createServer((request, response) => {
      const asked = request.url ?? ''
      if (asked === paths.jwks) requests.jwks++
      else if (!asked.includes('/policies')) requests.metadata++
      const answer = issuer.answers.get(asked)
      if (answer !== undefined) return answer(request, response)
      if (issuer.cacheControl !== undefined) {
        response.setHeader('cache-control', issuer.cacheControl)
      }
      response.setHeader('content-type', 'application/json')
      if (asked === paths.jwks) {
        response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }))
      } else if (asked === paths.metadata + path) {
        const origin = `http://127.0.0.1:${port}`
        response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: origin + paths.jwks }))
      } else {
        response.writeHead(404).end('{}')
      }
    })
    return new Promise((done, fail) => {
      server.once('error', fail)
      server.listen(port, '127.0.0.1', () => {
        port = (server.address() as AddressInfo).port
        done()
      })
    })
  }

  await listen()
  return issuer
}
