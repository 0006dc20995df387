// The wall clock of the machine jumps: the end of a token goes by it, all other deadlines do not.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import { login, startAccepting, type Wire } from '../fixtures/wire.ts'

const HOURS = 3_600_000
let jump = 0
let broker: Awaited<ReturnType<typeof startAccepting>>
let proxy: RunningProxy
let client: Wire

beforeEach(async () => {
  jump = 0
  broker = await startAccepting(0)
  // The session looks at its deadlines this often, without any packet.
  const limits = { write_stall_timeout_ms: 300 }
  proxy = await startProxy(broker.port, { limits, now: () => Date.now() + jump })
  proxy.tokens.set('dev', identify('dev', [allow('all', 'ok')]))
  client = await login(proxy.port, 5, 'dev', { keepalive: 1 })
})
afterEach(async () => {
  client.close()
  await proxy.stop()
  broker.stop()
})

test('forward, beyond the end of a token: the session ends as the token does', async () => {
  jump = 2 * HOURS
  const farewell = await client.next('disconnect')
  expect([farewell.reasonCode, proxy.ended()]).toEqual([0xa0, ['token_expired']])
})

test('back: the session goes on, and its keep-alive still ends it', async () => {
  jump = -2 * HOURS
  client.send({ cmd: 'pingreq' })
  await expect
    .poll(() => broker.brokers[0]?.packets.some(({ cmd }) => cmd === 'pingreq'))
    .toBe(true)
  await client.next('pingresp')
  const farewell = await client.next('disconnect')
  expect([farewell.reasonCode, proxy.ended()]).toEqual([0x8d, ['keep_alive']])
})
