// Table 2-4 of MQTT 5.0, written down once more: which property may stand in which packet of a
// client or a broker, with which values, and how often.

import { describe, expect, test } from 'vitest'
import { Properties } from '../../../proxy-node/wire/properties.ts'

const WILL = 0
const [CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP] = [1, 2, 3, 4, 5, 6, 7]
const [SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH] = [8, 9, 10, 11, 14, 15]
const ANSWERS = [CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH]

const byte = [1]
const two = [0, 1]
const four = [0, 0, 0, 1]
const text = [0, 2, 0xc3, 0xa9]

const TABLE: readonly [name: string, id: number, value: number[], places: number[]][] = [
  ['Payload Format Indicator', 0x01, byte, [PUBLISH, WILL]],
  ['Message Expiry Interval', 0x02, four, [PUBLISH, WILL]],
  ['Content Type', 0x03, text, [PUBLISH, WILL]],
  ['Response Topic', 0x08, text, [PUBLISH, WILL]],
  ['Correlation Data', 0x09, [0, 2, 0, 0xff], [PUBLISH, WILL]],
  ['Subscription Identifier', 0x0b, [0x80, 1], [SUBSCRIBE]],
  ['Session Expiry Interval', 0x11, four, [CONNECT, CONNACK, DISCONNECT]],
  ['Assigned Client Identifier', 0x12, text, [CONNACK]],
  ['Server Keep Alive', 0x13, two, [CONNACK]],
  ['Authentication Method', 0x15, text, [CONNECT, CONNACK, AUTH]],
  ['Authentication Data', 0x16, [0, 2, 0, 0xff], [CONNECT, CONNACK, AUTH]],
  ['Request Problem Information', 0x17, byte, [CONNECT]],
  ['Will Delay Interval', 0x18, four, [WILL]],
  ['Request Response Information', 0x19, byte, [CONNECT]],
  ['Response Information', 0x1a, text, [CONNACK]],
  ['Server Reference', 0x1c, text, [CONNACK, DISCONNECT]],
  ['Reason String', 0x1f, text, ANSWERS],
  ['Receive Maximum', 0x21, two, [CONNECT, CONNACK]],
  ['Topic Alias Maximum', 0x22, two, [CONNECT, CONNACK]],
  ['Topic Alias', 0x23, two, [PUBLISH]],
  ['Maximum QoS', 0x24, byte, [CONNACK]],
  ['Retain Available', 0x25, byte, [CONNACK]],
  [
    'User Property',
    0x26,
    [...text, ...text],
    [CONNECT, PUBLISH, WILL, SUBSCRIBE, UNSUBSCRIBE, ...ANSWERS],
  ],
  ['Maximum Packet Size', 0x27, four, [CONNECT, CONNACK]],
  ['Wildcard Subscription Available', 0x28, byte, [CONNACK]],
  ['Subscription Identifier Available', 0x29, byte, [CONNACK]],
  ['Shared Subscription Available', 0x2a, byte, [CONNACK]],
]

const read = (place: number, ...bytes: number[]) =>
  new Properties().read(Buffer.from([bytes.length, ...bytes]), 0, bytes.length + 1, place)
const MANY = ['User Property']

describe.each(TABLE)('%s', (name, id, value, places) => {
  test('may stand in its packets and in no other', () => {
    for (let place = 0; place < 16; place++) {
      // A client may not have in PUBLISH what a server may: [MQTT-3.3.4-6].
      const alien = name === 'Subscription Identifier' && place === PUBLISH ? 0x82 : 0x81
      expect([place, read(place, id, ...value)]).toEqual([
        place,
        places.includes(place) ? 0 : alien,
      ])
    }
  })

  test('comes once, and whole', () => {
    for (const place of places) {
      const twice = read(place, id, ...value, id, ...value)
      expect(twice).toBe(MANY.includes(name) ? 0 : 0x82)
      expect(read(place, id, ...value.slice(0, -1))).toBe(0x81)
    }
  })
})

test('those that say yes or no have no third value', () => {
  const answers = TABLE.filter(([, , value]) => value === byte)
  for (const [name, id, , places] of answers) {
    for (const place of places) {
      expect([name, read(place, id, 0), read(place, id, 2)]).toEqual([name, 0, 0x82])
    }
  }
  expect(answers).toHaveLength(8)
})

test('those that are never 0 are refused with it', () => {
  const never = ['Receive Maximum', 'Maximum Packet Size']
  for (const [name, id, value, places] of TABLE) {
    const zero = value === two || value === four ? value.map(() => 0) : undefined
    if (zero === undefined) continue
    expect([name, read(places[0]!, id, ...zero)]).toEqual([name, never.includes(name) ? 0x82 : 0])
  }
  expect(read(SUBSCRIBE, 0x0b, 0)).toBe(0x82)
})

test('an id that is none is malformed in every packet', () => {
  const known = TABLE.map(([, id]) => id)
  for (let id = 0; id < 256; id++) {
    if (known.includes(id)) continue
    for (let place = 0; place < 16; place++) expect(read(place, id, 0, 0, 0, 0)).toBe(0x81)
  }
})
