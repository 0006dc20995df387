// The header of the PROXY protocol (haproxy.org, doc/proxy-protocol.txt): versions 1 and 2 read,
// version 2 written. Whose header is believed is said in peers.ts.

import { isIPv4, isIPv6 } from 'node:net'

export type Endpoint = { address: string; port: number }

/** Both ends of a connection as its client sees them. */
export type ConnectionEnds = { source: Endpoint; destination: Endpoint }

export type ProxyHeader = {
  /** Bytes of the header. */
  length: number
  /** undefined: the peer speaks for itself, or knows no address of the client. */
  endpoints: ConnectionEnds | undefined
}

export type ProxyHeaderReading = 'more' | 'none' | 'malformed' | ProxyHeader

const V1_MAX = 107
const V1_PREFIX = Buffer.from('PROXY ')
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
const V2_FIXED = 16
/** TLVs included; those of certificates are the largest. */
const V2_MAX = 4096

/** Reads the header at the beginning of `bytes`, where there is one. */
export function readProxyHeader(bytes: Buffer): ProxyHeaderReading {
  if (beginsAlike(bytes, V2_SIGNATURE)) {
    return bytes.length < V2_FIXED ? 'more' : readV2(bytes)
  }
  if (!beginsAlike(bytes, V1_PREFIX)) return 'none'
  const end = bytes.subarray(0, V1_MAX).indexOf('\r\n')
  if (end < 0) return bytes.length < V1_MAX ? 'more' : 'malformed'
  return readV1(bytes.toString('latin1', 0, end), end + 2)
}

function beginsAlike(bytes: Buffer, prefix: Buffer): boolean {
  const length = Math.min(bytes.length, prefix.length)
  return prefix.compare(bytes, 0, length, 0, length) === 0
}

/** §2.1 */
function readV1(line: string, length: number): ProxyHeaderReading {
  const [, family, ...parts] = line.split(' ')
  if (family === 'UNKNOWN') return { length, endpoints: undefined }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined
  const [from, to, fromPort, toPort] = parts
  if (isAddress === undefined || parts.length !== 4) return 'malformed'
  if (!isAddress(from ?? '') || !isAddress(to ?? '')) return 'malformed'
  if (!isPort(fromPort) || !isPort(toPort)) return 'malformed'
  const source = { address: from ?? '', port: Number(fromPort) }
  return { length, endpoints: { source, destination: { address: to ?? '', port: Number(toPort) } } }
}

const isPlainIPv6 = (text: string) => isIPv6(text) && !text.includes('%')
const isPort = (text = '') => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535

/** §2.2 */
function readV2(bytes: Buffer): ProxyHeaderReading {
  const [versionAndCommand, family] = [bytes[12]!, bytes[13]!]
  const length = V2_FIXED + bytes.readUInt16BE(14)
  const isLocal = versionAndCommand === 0x20
  if (!isLocal && versionAndCommand !== 0x21) return 'malformed'
  if (length > V2_MAX) return 'malformed'
  // Families beyond AF_UNIX and protocols beyond DGRAM must be rejected; datagrams make no sense.
  const isKnown = family === 0x00 || family === 0x11 || family === 0x21 || family === 0x31
  if (!isLocal && !isKnown) return 'malformed'
  const size = isLocal || family === 0x00 ? 0 : family === 0x11 ? 12 : family === 0x21 ? 36 : 216
  if (length < V2_FIXED + size) return 'malformed'
  if (bytes.length < length) return 'more'
  if (size !== 12 && size !== 36) return { length, endpoints: undefined }
  const width = size === 12 ? 4 : 16
  const at = (place: number) => addressOf(bytes.subarray(place, place + width))
  const ports = V2_FIXED + 2 * width
  const source = { address: at(V2_FIXED), port: bytes.readUInt16BE(ports) }
  const destination = { address: at(V2_FIXED + width), port: bytes.readUInt16BE(ports + 2) }
  return { length, endpoints: { source, destination } }
}

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  // The URL parser writes the one form that RFC 5952 wants.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** The header that tells a broker of `endpoints`; without them that mProxy speaks for itself. */
export function writeProxyHeader(endpoints: ConnectionEnds | undefined): Buffer {
  if (endpoints === undefined) return Buffer.concat([V2_SIGNATURE, Buffer.from([0x20, 0, 0, 0])])
  const { source, destination } = endpoints
  const isV4 = isIPv4(source.address) && isIPv4(destination.address)
  const addresses = [source, destination].map(({ address }) => bytesOf(address, isV4))
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  const body = Buffer.concat([...addresses, ports])
  return Buffer.concat([
    V2_SIGNATURE,
    Buffer.from([0x21, isV4 ? 0x11 : 0x21, 0, body.length]),
    body,
  ])
}

/** 4 bytes, or 16 with an IPv4 address in its mapped form. */
function bytesOf(address: string, isV4: boolean): Buffer {
  if (isV4) return Buffer.from(address.split('.').map(Number))
  const [plain = ''] = (isIPv4(address) ? `::ffff:${address}` : address).split('%')
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const groups = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}
