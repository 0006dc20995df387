// A minute of `npm run soak`: everything as the model says, and nothing left in mProxy.
import { expect, test } from 'vitest'
import { findLeft } from '../soak/left.ts'
import { soak } from '../soak/soak.ts'

test('devices that come, speak, renew, go and are revoked leave nothing behind', async () => {
  const report = await soak({ seconds: 55, devices: 24, pause: 1000, seed: 20 })
  console.log(report)
  expect(report.faults).toEqual([])
  expect(findLeft(report)).toEqual([])
  for (const act of ['connects', 'publishes', 'publishesElsewhere', 'hears', 'renews']) {
    expect([act, (report.counts[act] ?? 0) > 10]).toEqual([act, true])
  }
  expect(report.counts['isRevoked']).toBeGreaterThan(0)
}, 120_000)
