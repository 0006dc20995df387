// The content of a status list: two bits for each place, the first place in the lowest bits
// (draft Token Status List §4.1), compressed by DEFLATE in the form of zlib. Pure, but for the
// compression of the runtime.
import { LIST_BITS } from './entry_store.ts'

/** Bits for each place (§4.1). */
export const STATUS_BITS = 2

/** Values of a place (§7.1): INVALID, and the first one that is left to applications. */
export const INVALID = 1
export const SUPERSEDED = 3

const BYTES = (1 << LIST_BITS) / (8 / STATUS_BITS)

/** A byte of four places that all ended. */
const ALL_ENDED = 0b01_01_01_01

/** The places of a list after further flips. No flip sets one back; an end is the last word. */
export function flipped(
  places: Uint8Array<ArrayBuffer>,
  flips: readonly { idx: number; outcome: number }[],
): Uint8Array<ArrayBuffer> {
  for (const { idx, outcome } of flips) {
    const shift = (idx % 4) * STATUS_BITS
    const at = idx >> 2
    const byte = places[at] ?? 0
    const isOver = ((byte >> shift) & SUPERSEDED) === INVALID
    places[at] = (byte & ~(SUPERSEDED << shift)) | ((isOver ? INVALID : outcome) << shift)
  }
  return places
}

/** The value of one place. */
export const valueAt = (places: Uint8Array, idx: number): number =>
  ((places[idx >> 2] ?? 0) >> ((idx % 4) * STATUS_BITS)) & SUPERSEDED

/** Places that are all valid. */
export const validPlaces = (): Uint8Array<ArrayBuffer> => new Uint8Array(BYTES)

/** A compressed list that has ended as a whole. */
export const endedList = (): Promise<Uint8Array<ArrayBuffer>> =>
  deflate(new Uint8Array(BYTES).fill(ALL_ENDED))

export const deflate = (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> =>
  through(bytes, new CompressionStream('deflate'))

export const inflate = (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> =>
  through(bytes, new DecompressionStream('deflate'))

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Response(new Blob([bytes]).stream().pipeThrough(stream))
  return new Uint8Array(await whole.arrayBuffer())
}

/** A compressed list: its snapshot with the flips after it. */
export async function listAfter(
  snapshot: Uint8Array | null,
  flips: readonly { idx: number; outcome: number }[],
): Promise<Uint8Array<ArrayBuffer>> {
  const places = snapshot === null ? validPlaces() : await inflate(new Uint8Array(snapshot))
  return deflate(flipped(places, flips))
}
