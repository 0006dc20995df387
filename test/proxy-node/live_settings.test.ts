// SETTINGS_FILE: how it is read, and what takes effect while mProxy runs.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { describeFault, readProxyConfig } from '../../proxy-node/config.ts'
import {
  compareSettings,
  LIVE_VARIABLES,
  takeLive,
  withSettingsFile,
} from '../../proxy-node/live_settings.ts'
import { ROOT } from '../support/tree.ts'
import { buildHouse, connectBytes, type House } from './fixtures/door.ts'
import { until } from './fixtures/mosquitto.ts'
import { dialWire } from './fixtures/wire.ts'

let house: House
beforeAll(async () => {
  house = await buildHouse()
})
afterAll(() => house.stop())

function read(env: Record<string, string>) {
  const reading = readProxyConfig({ MQTT_UPSTREAM: 'mqtt://127.0.0.1:1', ...env })
  if (!reading.ok) throw new Error(reading.faults.map(describeFault).join('\n'))
  return reading.config
}

describe('the file', () => {
  test('counts before the environment, with comments, quotes and empty lines', () => {
    const text =
      '# mProxy\n\nMQTT_KEEPALIVE_MAX=300\r\nMQTT_WS_ORIGINS="https://a.example"\nISSUER=\n'
    const env = { SETTINGS_FILE: house.write('one', text), MQTT_KEEPALIVE_MAX: '60', PATH: '/bin' }
    expect(withSettingsFile(env)).toEqual({
      ok: true,
      env: {
        ...env,
        MQTT_KEEPALIVE_MAX: '300',
        MQTT_WS_ORIGINS: 'https://a.example',
        ISSUER: '',
      },
    })
    expect(withSettingsFile({ PATH: '/bin' })).toEqual({ ok: true, env: { PATH: '/bin' } })
  })

  test('with faults names each line, and no value', () => {
    const file = house.write('two', 'MQTT_UPSTREM=mqtt://u:secret@h\nhunter2\nSETTINGS_FILE=x\n')
    const reading = withSettingsFile({ SETTINGS_FILE: file })
    const faults = reading.ok ? [] : reading.faults.map(describeFault)
    expect(faults).toEqual([
      expect.stringMatching(/^SETTINGS_FILE: .*, line 1: MQTT_UPSTREM is no variable for it;/),
      expect.stringMatching(/^SETTINGS_FILE: .*, line 2: is not NAME=value;/),
      expect.stringMatching(/^SETTINGS_FILE: .*, line 3: SETTINGS_FILE is no variable for it;/),
    ])
    expect(faults.join()).not.toMatch(/secret|hunter2/)
    const nowhere = withSettingsFile({ SETTINGS_FILE: '/nowhere' })
    expect(nowhere.ok ? '' : nowhere.faults[0]?.problem).toBe('/nowhere cannot be read (ENOENT)')
  })
})

/** Another value of each variable that takes effect while mProxy runs. */
const OTHERS: Record<(typeof LIVE_VARIABLES)[number], string> = {
  PROXY_PROTOCOL_FROM: '192.0.2.1',
  MQTT_WS_ORIGINS: 'https://b.example',
  MQTT_SESSION_EXPIRY_MAX: '17',
  MQTT_KEEPALIVE_MAX: '17',
  MQTT_CONNECTIONS_PER_ADDRESS: '17',
  MQTT_CONNECTIONS_UNPROVEN_MAX: '17',
  MQTT_REFUSED_CONNECTS_PER_ADDRESS: '17',
  MQTT_CONNECTS_PER_PRINCIPAL: '17',
  MQTT_SESSIONS_PER_PRINCIPAL: '17',
  MQTT_PACKETS_PER_SECOND: '17',
  MQTT_BYTES_PER_SECOND: '17',
  MQTT_INFLIGHT_MAX: '17',
  MQTT_SUBSCRIPTIONS_MAX: '17',
  MQTT_REFUSED_FILTERS_PER_MINUTE: '17',
  MQTT_REAUTHENTICATIONS_PER_MINUTE: '17',
  MQTT_STALL_TIMEOUT: '17',
  MQTT_DENIED_PUBLISH: 'close',
  MQTT_DENIED_RESUMED_DELIVERY: 'clean',
  MQTT_PARTIAL_FILTERS: 'deliver',
  MQTT_DRAIN_TIMEOUT: '17',
  MQTT_DRAIN_SPREAD: '17',
  MQTT_SERVER_REFERENCE: 'b.example',
}

describe('a change', () => {
  test.each(Object.entries(OTHERS))('of %s takes effect', (name, value) => {
    const [running, next] = [read({}), read({ [name]: value })]
    expect(running).not.toEqual(next)
    takeLive(running, next)
    expect(running).toEqual(next)
  })

  test('of anything else waits for a start, and is named', () => {
    const before = { MQTT_LISTEN: 'mqtt://a', MQTT_KEEPALIVE_MAX: '1', ISSUER: 'x' }
    const after = { MQTT_LISTEN: 'mqtt://b', MQTT_KEEPALIVE_MAX: '2', ISSUER: ' x ', PATH: '/bin' }
    expect(compareSettings(before, after)).toEqual({
      live: ['MQTT_KEEPALIVE_MAX'],
      waiting: ['MQTT_LISTEN'],
    })
    const running = read({})
    takeLive(running, read({ MQTT_LISTEN: 'mqtt://b', MQTT_PACKET_MAX_BYTES: '2000' }))
    expect(running).toEqual(read({}))
  })

  test('concerns the sessions, upgrades and connections that follow', async () => {
    const own = { ISSUER: house.issuer.url }
    const door = await house.start({ MQTT_LISTEN: 'mqtt://127.0.0.1:0,ws://127.0.0.1:0/mqtt' })
    const [port, webPort] = door.ports
    const enter = async (sub: string, head = '', clientId = sub) => {
      const wire = await dialWire(port!, 5)
      const connect = await connectBytes(house.issuer, sub, {}, 5, { clientId })
      wire.send(Buffer.from(head), connect)
      return wire
    }
    const first = await enter('first')
    expect((await first.next('connack')).properties?.serverKeepAlive).toBeUndefined()
    const other = { MQTT_KEEPALIVE_MAX: '7', MQTT_WS_ORIGINS: 'https://b.example' }
    door.proxy.take(read({ ...own, ...other, PROXY_PROTOCOL_FROM: '127.0.0.1' }))
    const head = 'PROXY TCP4 203.0.113.1 198.51.100.1 1 2\r\n'
    const second = await enter('second', head)
    expect((await second.next('connack')).properties?.serverKeepAlive).toBe(7)
    expect(door.lines('session_started').at(-1)?.['remote']).toBe('203.0.113.1')
    const web = new WebSocket(`ws://127.0.0.1:${webPort}/mqtt`, 'mqtt', {
      origin: 'https://a.example',
    })
    const error = await new Promise<Error>((refused) => web.once('error', refused))
    expect(error.message).toContain('403')
    expect(first.isClosed).toBe(false)
    // Limits of an attack are lowered while it goes on.
    door.proxy.take(read({ ...own, MQTT_SESSIONS_PER_PRINCIPAL: '1' }))
    const third = await enter('first', '', 'first:two')
    expect((await third.next('connack')).reasonCode).toBe(0x97)
    third.close() // it would make room for the next one
    const open = () => door.metric('mproxy_connections', 'transport="tcp"')
    await until(async () => (await open()) === 2, 'it is gone')
    door.proxy.take(read({ ...own, MQTT_CONNECTIONS_PER_ADDRESS: '1' }))
    const fourth = await enter('fourth')
    await fourth.closed()
    expect(
      await door.metric('mproxy_connections_dropped_total', 'reason="too_many_from_address"'),
    ).toBe(1)
    first.close()
    second.close()
  })
})

test('the page names each variable that takes effect', () => {
  const page = readFileSync(join(ROOT, 'docs/running_mproxy.md'), 'utf8')
  const [, table = ''] = page.split('## Settings that change')
  const names = [...(table.split('\n## ')[0] ?? '').matchAll(/`([A-Z_]{4,})`/g)].map(
    ([, name]) => name,
  )
  expect(new Set(names)).toEqual(new Set([...LIVE_VARIABLES, 'SETTINGS_FILE']))
})
