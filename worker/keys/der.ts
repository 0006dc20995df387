// DER (X.690 §8, §10), as far as certificates, certification requests and keys use it. Reads alone.

/** Thrown for bytes that are not in this form. */
export class MalformedDer extends Error {}

export type DerElement = { tag: number; content: Uint8Array; whole: Uint8Array }

/**
 * The elements that follow each other in `bytes`, in definite form with tags of one byte: X.509 has
 * no others. Throws MalformedDer.
 */
export function derElements(bytes: Uint8Array): DerElement[] {
  const found: DerElement[] = []
  let at = 0
  while (at < bytes.length) {
    const start = at
    const tag = bytes[at++] ?? 0
    let length = bytes[at++] ?? 0
    if (length > 0x80) {
      const octets = length & 0x7f
      if (octets > 3) throw new MalformedDer()
      length = 0
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at++] ?? 0)
    } else if (length === 0x80) throw new MalformedDer()
    const end = at + length
    if ((tag & 0x1f) === 0x1f || end > bytes.length) throw new MalformedDer()
    found.push({ tag, content: bytes.subarray(at, end), whole: bytes.subarray(start, end) })
    at = end
  }
  return found
}

/** The element, when it has this tag. Throws MalformedDer. */
export function derElement(element: DerElement | undefined, tag: number): DerElement {
  if (element?.tag !== tag) throw new MalformedDer()
  return element
}

/** An object identifier in dotted form. */
export function derObjectIdentifier(content: Uint8Array): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0
    }
  }
  const [first = 0, ...rest] = arcs
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - top * 40, ...rest].join('.')
}
