// Random bytes of a host, which are drawn in advance: whatever the sizes, none is given out twice or left behind.
import { expect, test } from 'vitest'
import { drawRandom } from '../../worker/entry/random_bytes.ts'

test('every piece is of its size, differs from all others, and stays what it is', () => {
  const random = drawRandom()
  const kept: { bytes: Uint8Array; text: string }[] = []
  for (let i = 0; i < 3000; i++) {
    const size = [16, 32, 12, 255, 300, 5000][i % 6] ?? 16
    const bytes = random(size)
    expect(bytes.length).toBe(size)
    // A piece has its own memory: whoever changes it changes no other.
    expect(bytes.buffer.byteLength).toBe(size)
    kept.push({ bytes, text: String(bytes) })
  }
  expect(new Set(kept.map(({ text }) => text)).size).toBe(kept.length)
  expect(kept.every(({ bytes, text }) => String(bytes) === text)).toBe(true)
  expect(random(0).length).toBe(0)
})

test('bytes are spread evenly, and those of two sources differ', () => {
  const [one, other] = [drawRandom(), drawRandom()]
  expect(String(one(32))).not.toBe(String(other(32)))
  const counts = new Array<number>(256).fill(0)
  for (let i = 0; i < 10_000; i++)
    for (const byte of one(32)) counts[byte] = (counts[byte] ?? 0) + 1
  const expected = 320_000 / 256
  // Six standard deviations.
  for (const count of counts)
    expect(Math.abs(count - expected)).toBeLessThan(6 * Math.sqrt(expected))
})
