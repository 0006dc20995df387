// The memory of idle programs, as a small machine beside a broker sees it. Times are measured by
// test/measure/footprint.ts, and are no test.
import { expect, test } from 'vitest'
import { proxyFootprint, workerFootprint } from '../measure/footprint.ts'

// The very first start on a machine compiles too, which holds some 20 MB more until the next one.

test('the idle worker holds at most 130 MB', { timeout: 90_000 }, async () => {
  await workerFootprint()
  expect((await workerFootprint()).memory).toBeLessThan(130)
})

test('idle mProxy holds at most 100 MB', { timeout: 90_000 }, async () => {
  await proxyFootprint()
  expect((await proxyFootprint()).memory).toBeLessThan(100)
})
