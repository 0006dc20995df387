// BLAKE2b (RFC 7693) without key, salt and personalization: the hash of PASERK ids, which WebCrypto
// does not have. Its inputs are few and short (one per key and process), so the code is plain, with
// 64-bit words as BigInt.

const WORD = 0xffff_ffff_ffff_ffffn

/**
 * RFC 7693 §2.6: the fractional parts of the square roots of the first eight primes, as in SHA-512.
 */
const IV = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
]

/** RFC 7693 §2.7: the message word that each step of a round takes, one hexadecimal digit each. */
const SIGMA = [
  '0123456789abcdef',
  'ea489fd61c02b753',
  'b8c052fdae367194',
  '7931dcbe265a40f8',
  '905724afe1bc683d',
  '2c6a0b834d75fe19',
  'c51fed4a0763928b',
  'db7ec13950f4862a',
  '6fe9b308c2d714a5',
  'a2847615fb9e3cd0',
]

/**
 * The words that each of the eight mixings of a round works on: four columns, then four diagonals.
 */
const MIXED = ['048c', '159d', '26ae', '37bf', '05af', '16bc', '278d', '349e'].map(digits)

function digits(text: string): number[] {
  return Array.from(text, (digit) => Number.parseInt(digit, 16))
}

const rotateRight = (word: bigint, bits: bigint): bigint =>
  (word >> bits) | ((word << (64n - bits)) & WORD)

/** The hash of `data`, `length` bytes long (1 to 64). */
export function blake2b(data: Uint8Array, length: number): Uint8Array {
  const h = [...IV]
  xor(h, 0, BigInt(0x0101_0000 ^ length)) // RFC 7693 §2.5: the parameter block
  const blocks = Math.max(1, Math.ceil(data.length / 128))
  const padded = new DataView(new ArrayBuffer(blocks * 128))
  new Uint8Array(padded.buffer).set(data)
  for (let block = 0; block < blocks; block++) {
    const isLast = block === blocks - 1
    const words = Array.from({ length: 16 }, (_, i) =>
      padded.getBigUint64(block * 128 + i * 8, true),
    )
    compress(h, words, BigInt(isLast ? data.length : (block + 1) * 128), isLast)
  }
  const out = new DataView(new ArrayBuffer(64))
  for (const [i, word] of h.entries()) out.setBigUint64(i * 8, word, true)
  return new Uint8Array(out.buffer, 0, length)
}

/** RFC 7693 §3.2: the compression function F. `count`: bytes taken in so far. */
function compress(h: bigint[], words: readonly bigint[], count: bigint, isLast: boolean): void {
  const v = [...h, ...IV]
  xor(v, 12, count & WORD)
  xor(v, 13, count >> 64n)
  if (isLast) xor(v, 14, WORD)
  for (let round = 0; round < 12; round++) {
    const order = digits(SIGMA[round % 10] as string)
    for (const [i, mixed] of MIXED.entries()) {
      const word = (at: number) => words[order[2 * i + at] as number] as bigint
      mix(v, mixed as [number, number, number, number], word(0), word(1))
    }
  }
  for (let i = 0; i < 8; i++) xor(h, i, (v[i] as bigint) ^ (v[i + 8] as bigint))
}

/** RFC 7693 §3.1: the mixing function G. */
function mix(
  v: bigint[],
  [a, b, c, d]: [number, number, number, number],
  x: bigint,
  y: bigint,
): void {
  const add = (to: number, from: number, word: bigint) => {
    v[to] = ((v[to] as bigint) + (v[from] as bigint) + word) & WORD
  }
  const turn = (at: number, by: number, bits: bigint) => {
    v[at] = rotateRight((v[at] as bigint) ^ (v[by] as bigint), bits)
  }
  add(a, b, x)
  turn(d, a, 32n)
  add(c, d, 0n)
  turn(b, c, 24n)
  add(a, b, y)
  turn(d, a, 16n)
  add(c, d, 0n)
  turn(b, c, 63n)
}

function xor(words: bigint[], at: number, word: bigint): void {
  words[at] = (words[at] as bigint) ^ word
}
