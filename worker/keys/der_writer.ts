// DER (X.690 §8, §10) as it is written, for certificates alone.
import type { Bytes } from '../crypto.ts'

/** An element in definite form, its length in the fewest octets. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Bytes {
  const length = parts.reduce((sum, { length }) => sum + length, 0)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | octets.length, ...octets]
  return joined(Uint8Array.from(head), ...parts)
}

function joined(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export const derSequence = (...parts: readonly Uint8Array[]): Bytes => der(0x30, ...parts)

export const derOctets = (content: Uint8Array): Bytes => der(0x04, content)

/** Whole bytes, of which none is unused. */
export const derBits = (content: Uint8Array, unused = 0): Bytes =>
  der(0x03, Uint8Array.of(unused), content)

export const derText = (tag: number, text: string): Bytes =>
  der(tag, new TextEncoder().encode(text))

/** A number that is not negative, from its bytes, the first one most significant. */
export function derUnsigned(bytes: Uint8Array): Bytes {
  const first = bytes.findIndex((byte) => byte !== 0)
  const plain = first < 0 ? Uint8Array.of(0) : bytes.subarray(first)
  return (plain[0] ?? 0) < 0x80 ? der(0x02, plain) : der(0x02, Uint8Array.of(0), plain)
}

export function derOid(dotted: string): Bytes {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift(0x80 | (left % 128))
    }
    return digits
  })
  return der(0x06, Uint8Array.from(bytes))
}

/** RFC 5280 §4.1.2.5: until 2049 with two digits for the year. Epoch seconds. */
export function derTime(at: number): Bytes {
  const digits = new Date(at * 1000).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  const isShort = at >= 0 && at < Date.UTC(2050, 0) / 1000
  return isShort ? derText(0x17, digits.slice(2)) : derText(0x18, digits)
}
