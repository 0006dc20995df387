// TLS in front of a worker, as in production: a certificate made for the test, and every request
// passed on.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type OutgoingHttpHeaders, request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { temporaryFolder } from '../support/folder.ts'

/** `asksCertificate`: clients may show a certificate, of whichever authority; it is passed on. */
export async function startTlsFront({ asksCertificate = false } = {}) {
  const folder = temporaryFolder()
  const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const files = ['-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, ...files], { stdio: 'pipe' })
  let port = 0
  const server = createServer(
    {
      key: readFileSync(key),
      cert: readFileSync(cert),
      requestCert: asksCertificate,
      rejectUnauthorized: false,
    },
    (incoming, outgoing) => {
      const { method, url: path, headers, socket } = incoming
      const forwarded: OutgoingHttpHeaders = {
        ...headers,
        'x-forwarded-for': socket.remoteAddress ?? '',
      }
      delete forwarded['client-cert']
      const { raw } = asksCertificate ? (socket as TLSSocket).getPeerCertificate() : {}
      if (raw !== undefined) forwarded['client-cert'] = `:${raw.toString('base64')}:`
      const inner = request(
        { host: '127.0.0.1', port, method, path, headers: forwarded },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(outgoing)
        },
      )
      inner.on('error', () => outgoing.writeHead(502).end())
      incoming.pipe(inner)
    },
  )
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const certificate = readFileSync(cert, 'utf8')
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    /** PEM, for clients that are to trust it. */
    certificate,
    /** Where requests go from now on. */
    passTo(target: number) {
      port = target
    },
    stop() {
      server.closeAllConnections()
      server.close()
      folder.remove()
    },
  }
}
