// Certificates of mProxy at its doors: read from files, chosen by the name that a client asks for,
// replaced while connections stand. And the certificate of a client: whether it is let in, and its
// thumbprint. Which token is bound to which is the verifier's.

import {
  constants,
  createHash,
  createPrivateKey,
  type KeyObject,
  X509Certificate,
} from 'node:crypto'
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import type { CertificatePair, DoorConfig, UpstreamConfig } from '../door_variables.ts'
import {
  FileFault,
  type Reload,
  readParts,
  readTextOf,
  type WatchedFiles,
  watchFiles,
} from './watched_files.ts'

/** One certificate in force, for the operator. */
export type CertificateInForce = { file: string; expires_at: number }

export type DoorCertificates = {
  /** Options of a server that ends TLS. */
  readonly options: TlsOptions
  /** Keeps the first certificate of `server` that in force. */
  serve(server: { setSecureContext(options: TlsOptions): void }): void
  inForce(): CertificateInForce[]
  reload(): void
  close(): void
}

type Loaded = CertificateInForce & {
  leaf: X509Certificate
  context: SecureContext
  options: TlsOptions
}

/** TLS 1.2 is the least that RFC 9325 §3.1.1 allows; a client may not begin a handshake anew. */
export const TLS_FLOOR = {
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const

/** Throws FileFaults when a file is not good. */
export function openCertificates(
  { certificates, clientCertificates, clientAuthorities }: DoorConfig,
  onReload: (reload: Reload) => void,
  interval_ms?: number,
): DoorCertificates {
  const servers: { setSecureContext(options: TlsOptions): void }[] = []
  const files = certificates.flatMap(({ certificate, key }) => [certificate, key])
  if (clientAuthorities !== undefined) files.push(clientAuthorities)
  const load = (before: Loaded[] | undefined): Loaded[] => {
    let ca: string | undefined
    const readFirst = (): Loaded[] => {
      if (clientAuthorities !== undefined) ca = readAuthorityFile(clientAuthorities)
      return []
    }
    const isNext = before !== undefined
    const pairs = certificates.map((pair) => () => [loadPair(pair, ca, isNext)])
    return readParts([readFirst, ...pairs]).flat()
  }
  const takeOver = (reload: Reload) => {
    if (reload.outcome === 'loaded') {
      for (const server of servers) server.setSecureContext(watched.value[0]?.options ?? {})
    }
    onReload(reload)
  }
  const watched = watchFiles(files, load, takeOver, interval_ms)
  return {
    options: {
      ...TLS_FLOOR,
      requestCert: clientCertificates !== 'off',
      // Judged by `provedThumbprint`, as not all that is asked for must come from an authority.
      rejectUnauthorized: false,
      SNICallback(name, answer) {
        const chosen = watched.value.find(({ leaf }) => leaf.checkHost(name) !== undefined)
        answer(null, (chosen ?? watched.value[0])?.context)
      },
    },
    serve(server) {
      server.setSecureContext(watched.value[0]?.options ?? {})
      servers.push(server)
    },
    inForce: () => watched.value.map(({ file, expires_at }) => ({ file, expires_at })),
    reload: () => watched.reload(),
    close: () => watched.close(),
  }
}

/** `isNext`: it is to replace one that is in force, so it must not have run out. */
function loadPair(pair: CertificatePair, ca: string | undefined, isNext: boolean): Loaded {
  const { leaf, cert, key } = readPair(pair)
  const expires_at = Math.floor(leaf.validToDate.getTime() / 1000)
  if (isNext && expires_at * 1000 <= Date.now()) {
    throw new FileFault(pair.certificate, `ran out at ${leaf.validToDate.toISOString()}`)
  }
  // With an id, a client that shows a certificate can resume its handshake.
  const own = { ...TLS_FLOOR, sessionIdContext: 'mproxy', cert, key }
  const options: TlsOptions = { ...own, ...(ca === undefined ? {} : { ca }) }
  return { file: pair.certificate, expires_at, leaf, options, context: contextOf(pair, options) }
}

function contextOf({ certificate }: CertificatePair, options: TlsOptions): SecureContext {
  try {
    return createSecureContext(options)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new FileFault(certificate, `cannot be used for TLS (${code})`)
  }
}

/** The texts of a certificate with its chain and of its key, which belong together. */
function readPair(pair: CertificatePair): {
  leaf: X509Certificate
  cert: string
  key: string
} {
  const cert = readTextOf(pair.certificate)
  const leaf = readCertificate(pair.certificate, cert)
  const key = readTextOf(pair.key)
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(key)
  } catch {
    throw new FileFault(pair.key, 'holds no private key in PEM that opens without a passphrase')
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new FileFault(pair.key, `is not the key of ${pair.certificate}`)
  }
  return { leaf, cert, key }
}

/** The text of a file with certificates of authorities. */
function readAuthorityFile(file: string): string {
  const text = readTextOf(file)
  readCertificate(file, text)
  return text
}

function readCertificate(file: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch {
    throw new FileFault(file, 'holds no certificate in PEM')
  }
}

/**
 * The thumbprint of the client's certificate (RFC 8705 §3.1), undefined without one, or false for a
 * connection that may not come in by it. A resumed handshake is judged by the time of now, too.
 */
export function provedThumbprint(
  socket: TLSSocket,
  { clientCertificates, clientAuthorities }: DoorConfig,
): string | undefined | false {
  if (clientCertificates === 'off') return undefined
  const shown = socket.getPeerX509Certificate()
  if (shown === undefined) return clientCertificates === 'required' ? false : undefined
  if (clientAuthorities !== undefined && !socket.authorized) return false
  const now = Date.now()
  if (shown.validFromDate.getTime() > now || shown.validToDate.getTime() <= now) return false
  return createHash('sha256').update(shown.raw).digest('base64url')
}

/** The TLS of mqtts:// brokers as its files say; undefined where none is named. */
export function openBrokerTls(
  { authorities, certificate }: UpstreamConfig,
  onReload: (reload: Reload) => void,
  interval_ms?: number,
): WatchedFiles<ConnectionOptions> | undefined {
  const files = [authorities, certificate?.certificate, certificate?.key]
  const named = files.filter((file) => file !== undefined)
  if (named.length === 0) return undefined
  const load = (): ConnectionOptions => {
    const own: SecureContextOptions = { ...TLS_FLOOR }
    readParts([
      () => {
        if (authorities !== undefined) own.ca = readAuthorityFile(authorities)
      },
      () => {
        if (certificate === undefined) return
        const { cert, key } = readPair(certificate)
        Object.assign(own, { cert, key })
      },
    ])
    return { ...TLS_FLOOR, secureContext: createSecureContext(own) }
  }
  return watchFiles(named, load, onReload, interval_ms)
}
