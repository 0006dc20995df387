// The stage on which a session is tested: a client and a broker that both say exactly what the test
// wants, and mProxy between them. Set up and taken down around each test of the file that imports it.

import type { Packet } from 'mqtt-packet'
import { afterEach, beforeEach } from 'vitest'
import type { AclRule } from '../../policy/acl.ts'
import type { Dial, Identity, SessionLimits } from '../../proxy-node/connection.ts'
import { allow, identify, type RunningProxy, startProxy } from './proxy.ts'
import { connectPacket, dialWire, publish, startScripted, type Version, type Wire } from './wire.ts'

type Connect = Extract<Packet, { cmd: 'connect' }>
type Connack = Extract<Packet, { cmd: 'connack' }>

export let scripted: Awaited<ReturnType<typeof startScripted>>
export let proxy: RunningProxy
export let wires: Wire[] = []

export async function begin(limits: Partial<SessionLimits>, broker?: Dial) {
  await proxy.stop()
  proxy = await startProxy(broker ?? scripted.port, { limits })
}

beforeEach(async () => {
  scripted = await startScripted()
  proxy = await startProxy(scripted.port)
})
afterEach(async () => {
  for (const wire of wires) wire.close()
  wires = []
  await proxy.stop()
  scripted.stop()
})

/** A client that sent CONNECT. */
export async function knock(version: Version, more: Partial<Connect> = {}): Promise<Wire> {
  const client = await dialWire(proxy.port, version)
  wires.push(client)
  client.send(connectPacket(version, more))
  return client
}

/** Client and broker of an open session, with CONNECT and CONNACK taken. */
export async function open(
  version: Version,
  rules: AclRule[],
  options: {
    identity?: Partial<Identity>
    connect?: Partial<Connect>
    connack?: Partial<Connack>
  } = {},
) {
  proxy.tokens.set('token', identify('dev', rules, options.identity))
  const client = await knock(version, options.connect)
  const broker = await scripted.accept(version)
  wires.push(broker)
  const connect = await broker.next('connect')
  const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
  broker.send({ cmd: 'connack', sessionPresent: false, ...code, ...options.connack } as Packet)
  const connack = await client.next('connack')
  return { client, broker, connect, connack }
}

/** A message that only comes out after everything before it did. */
export const marker = publish('ok', { payload: 'marker' })
export const both: Version[] = [4, 5]
export const ok = allow('all', 'ok')
