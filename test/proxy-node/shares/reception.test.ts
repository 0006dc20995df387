// The reception: CONNECTs that come at once share the turns of the event loop, and addresses that
// are refused over and over wait, each for itself.

import { describe, expect, test } from 'vitest'
import { Rates } from '../../../proxy-node/shares/rates.ts'
import { Reception } from '../../../proxy-node/shares/reception.ts'

const limits = {
  refused_connects_per_address: 10,
  connects_per_principal: 0,
  sessions_per_principal: 0,
}

function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

describe('CONNECTs that come at once', () => {
  test('leave turns to everybody else between them', async () => {
    const reception = new Reception(
      () => limits,
      () => {},
    )
    const count = 200
    let judged = 0
    const all = Array.from({ length: count }, async () => {
      await nextTurn() // as packets do, one after the other
      await reception.wait('a')
      work(0.3)
      judged++
    })
    for (let i = 0; i < 4; i++) await nextTurn()
    expect(judged).toBeGreaterThan(0)
    expect(judged).toBeLessThan(count / 2)
    await Promise.all(all)
    expect(judged).toBe(count)
  })
})

describe('an address that is refused', () => {
  test('waits longer and longer, and no other does', () => {
    const reception = new Reception(
      () => limits,
      () => {},
    )
    const waits: number[] = []
    for (let i = 0; i < 60; i++) {
      waits.push(reception.waitOf('bad'))
      reception.noteRefusal('bad')
    }
    expect(waits.slice(0, 10)).toEqual(waits.slice(0, 10).map(() => 0))
    expect(waits[12]).toBeGreaterThan(0)
    expect(waits[16]).toBeGreaterThan(waits[12]!)
    expect(Math.max(...waits)).toBeLessThanOrEqual(2000)
    expect(reception.waitOf('good')).toBe(0)
  })
})

test('rates of more names than there is room for keep the newest', () => {
  const rates = new Rates(() => 1000)
  for (let i = 0; i < 5; i++) rates.rise('often')
  for (let i = 0; i < 12_000; i++) rates.rise(`once-${i}`)
  expect(rates.level('once-11999')).toBeGreaterThan(0)
  expect(rates.level('often')).toBe(0)
})
