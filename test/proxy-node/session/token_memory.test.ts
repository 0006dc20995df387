// A token is a secret: once it was judged, nothing of it stays in memory.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Packet } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { identify } from '../fixtures/proxy.ts'
import { both, ok, proxy, scripted, wires } from '../fixtures/stage.ts'
import { connectPacket, dialWire, publish, type Version, type Wire } from '../fixtures/wire.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const method = { authenticationMethod: 'OAUTH2-JWT' }

/** Waits until no chunk that mProxy read of the client is in memory any more. */
async function forgotten(chunks: WeakRef<ArrayBufferLike>[]) {
  await until(() => {
    collect()
    return chunks.every((chunk) => chunk.deref() === undefined)
  }, 'every byte is forgotten')
}

async function begin(version: Version, connect: object) {
  const client = await dialWire(proxy.port, version)
  wires.push(client)
  await until(() => proxy.streams.length === 1, 'mProxy accepts')
  const chunks: WeakRef<ArrayBufferLike>[] = []
  proxy.streams[0]!.on('data', (chunk: Buffer) => chunks.push(new WeakRef(chunk.buffer)))
  client.send(connectPacket(version, connect))
  const broker = await scripted.accept(version)
  wires.push(broker)
  await broker.next('connect')
  const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
  broker.send({ cmd: 'connack', sessionPresent: false, ...code } as Packet)
  await client.next('connack')
  return { client, broker, chunks }
}

async function handIn(client: Wire, messageId: number) {
  proxy.tokens.set(
    'next',
    identify('dev', [ok], { expires_at: Math.floor(Date.now() / 1000) + 4000 + messageId }),
  )
  client.send(publish('$allauth/token', { payload: 'next', qos: 1, messageId }))
  await client.next('puback')
}

test.each(both)(
  'of CONNECT with a Will, and of the next token on its topic, at level %i',
  async (version) => {
    proxy.tokens.set('token', identify('dev', [ok]))
    const will = { topic: 'ok', payload: Buffer.from('w'), qos: 0 as const, retain: false }
    const { client, chunks } = await begin(version, { will })
    expect(chunks).toHaveLength(1)
    await forgotten(chunks)
    await handIn(client, 1)
    expect(chunks).toHaveLength(2)
    await forgotten(chunks)
    expect(proxy.ended()).toEqual([])
  },
)

test('of authentication data, in CONNECT and in AUTH', async () => {
  proxy.tokens.set('token', identify('dev', [ok]))
  const authenticationData = Buffer.from('token')
  const { client, chunks } = await begin(5, { properties: { ...method, authenticationData } })
  await forgotten(chunks)
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: { ...method, authenticationData } })
  await client.next('auth')
  expect(chunks).toHaveLength(2)
  await forgotten(chunks)
  expect(proxy.ended()).toEqual([])
})
