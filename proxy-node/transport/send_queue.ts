// Bytes written to a peer that its system has not acknowledged yet, as the kernel of Linux
// says. Node tells of progress only when a third of the kernel's buffer is free again, which for a
// slow reader takes minutes: so this is asked before one is taken for dead. Elsewhere nothing is
// known.

import { readFile } from 'node:fs/promises'
import { endianness } from 'node:os'
import type { Duplex } from 'node:stream'

/** A stream whose connection is known: a socket, or what stands on one. */
export type PeerStream = Duplex & {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localPort?: number | undefined
}

type Table = { text: Promise<string>; read_at: number }
const tables = new Map<string, Table>()

/** Bytes not acknowledged; undefined where that cannot be known. Looks `maxAge_ms` back at most. */
export async function findUnacknowledged(
  { remoteAddress, remotePort, localPort }: PeerStream,
  maxAge_ms: number,
): Promise<number | undefined> {
  if (remoteAddress === undefined || remotePort === undefined || localPort === undefined) return
  const text = await readTable(remoteAddress.includes(':') ? 'tcp6' : 'tcp', maxAge_ms)
  const place = `:${portOf(localPort)} ${addressOf(remoteAddress)}:${portOf(remotePort)} `
  const at = text.indexOf(place)
  // Two digits of state and a space, then eight digits.
  return at < 0 ? undefined : Number.parseInt(text.slice(at + place.length + 3).slice(0, 8), 16)
}

/** Read once for all who ask at about the same time. */
function readTable(name: string, maxAge_ms: number): Promise<string> {
  const known = tables.get(name)
  const now = performance.now()
  if (known !== undefined && now - known.read_at < maxAge_ms) return known.text
  const text = readFile(`/proc/net/${name}`, 'latin1').catch(() => '')
  tables.set(name, { text, read_at: now })
  setTimeout(() => tables.delete(name), 10 * maxAge_ms).unref() // it may be megabytes
  return text
}

const portOf = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')

/** The kernel writes addresses as words of 32 bits in the byte order of the machine. */
const addressOf = (address: string): string => {
  const bytes = Buffer.from(bytesOf(address))
  return (endianness() === 'LE' ? bytes.swap32() : bytes).toString('hex').toUpperCase()
}

function bytesOf(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number)
  const [plain = ''] = address.split('%')
  const dotted = plain.includes('.') ? plain.slice(plain.lastIndexOf(':') + 1) : ''
  const [head = '', tail = ''] = plain.slice(0, plain.length - dotted.length).split('::')
  const words = (text: string) =>
    text
      .split(':')
      .filter((word) => word !== '')
      .flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 0xff])
  const before = words(head)
  const after = [...words(tail), ...(dotted === '' ? [] : dotted.split('.').map(Number))]
  return [...before, ...Array<number>(16 - before.length - after.length).fill(0), ...after]
}
