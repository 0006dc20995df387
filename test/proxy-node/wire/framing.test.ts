// Where packets begin and end, and which bytes are none: tables, and properties over random splits.

import fc from 'fast-check'
import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import {
  FAULT,
  FROM_CLIENT_3,
  FROM_CLIENT_5,
  HEAD,
  isText,
  MORE,
  ONLY_CONNECT,
  PACKET_LIMIT,
  PART,
  readVariableInteger,
  Scanner,
  variableIntegerSize,
  WHOLE,
  writeVariableInteger,
} from '../../../proxy-node/wire/framing.ts'
import { Properties } from '../../../proxy-node/wire/properties.ts'

const scanner = (version: number, limit = PACKET_LIMIT, whole = 65_536, held = limit) => {
  const made = new Scanner(version === 5 ? FROM_CLIENT_5 : FROM_CLIENT_3, limit, whole, true)
  made.version = version
  made.heldLimit = held
  return made
}

/** Every packet's bytes, those of a streamed one joined, and the fault if there was one. */
function scan(made: Scanner, chunks: Buffer[]) {
  const packets: Buffer[] = []
  let open: Buffer[] = []
  let partialMax = 0
  for (const chunk of chunks) {
    made.push(chunk)
    for (let what = made.next(); what !== MORE; what = made.next()) {
      if (what === FAULT) return { packets, fault: made.fault, partialMax }
      const bytes = Buffer.from(made.buffer.subarray(made.start, made.end))
      if (what === WHOLE) packets.push(bytes)
      else {
        if (what === HEAD) open = []
        open.push(bytes)
        if (what === PART && made.last) packets.push(Buffer.concat(open))
      }
    }
    partialMax = Math.max(partialMax, made.partialBytes)
  }
  return { packets, fault: 0, partialMax }
}

function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const chunks: Buffer[] = []
  let rest = bytes
  for (const cut of cuts) {
    const length = Math.min(cut, rest.length)
    if (length === 0) continue
    chunks.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
  if (rest.length > 0) chunks.push(rest)
  return chunks
}

const empty = { cmd: 'publish' as const, payload: '', qos: 0 as const, dup: false, retain: false }
const topic = fc.stringMatching(/^[a-zé/]{1,40}$/)
const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({
    cmd: fc.constant('publish' as const),
    topic,
    payload: fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a)),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    messageId: fc.integer({ min: 1, max: 65_535 }),
    retain: fc.boolean(),
    dup: fc.constant(false),
  }),
  fc.record({
    cmd: fc.constant('subscribe' as const),
    messageId: fc.integer({ min: 1, max: 65_535 }),
    subscriptions: fc.array(fc.record({ topic, qos: fc.constantFrom(0 as const, 1 as const) }), {
      minLength: 1,
      maxLength: 5,
    }),
  }),
  fc.record({ cmd: fc.constant('pingreq' as const) }),
  fc.record({
    cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const),
    messageId: fc.integer({ min: 1, max: 65_535 }),
  }),
)

describe('the scanner', () => {
  test('finds the same packets however the bytes are cut, whole or streamed', () => {
    let packets = 0
    fc.assert(
      fc.property(
        fc.array(packet, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 60 }),
        fc.constantFrom(4 as const, 5 as const),
        fc.constantFrom(20, 64, 65_536),
        (sent, cuts, version, whole) => {
          const written = sent.map((p) => mqtt.generate(p, { protocolVersion: version }))
          // Only a PUBLISH may be larger than what is read whole.
          fc.pre(written.every((b, i) => sent[i]!.cmd === 'publish' || b.length <= whole))
          const found = scan(
            scanner(version, PACKET_LIMIT, whole),
            split(Buffer.concat(written), cuts),
          )
          expect(found.fault).toBe(0)
          expect(found.packets).toEqual(written)
          packets += sent.length
        },
      ),
      { numRuns: 600 },
    )
    console.log(`scanner: 600 runs, ${packets} packets`)
    expect(packets).toBeGreaterThan(1000)
  })

  test('never throws on random bytes, and holds no more than twice what came', () => {
    let faults = 0
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 20 }),
        fc.constantFrom(4, 5),
        (chunks, version) => {
          const bytes = chunks.map((c) => Buffer.from(c))
          const found = scan(scanner(version), bytes)
          if (found.fault !== 0) faults++
          const came = bytes.reduce((sum, b) => sum + b.length, 0)
          expect(found.partialMax).toBeLessThanOrEqual(Math.max(512, 2 * came))
        },
      ),
      { numRuns: 2000 },
    )
    console.log(`scanner: 2000 runs of random bytes, ${faults} faults`)
    expect(faults).toBeGreaterThan(500)
  })

  test('a header that claims 64 KiB costs little until the bytes are there', () => {
    const made = new Scanner(ONLY_CONNECT, 65_536, 65_536, true)
    made.push(Buffer.from([0x10, 0xf0, 0xff, 0x03]))
    expect(made.next()).toBe(MORE)
    expect(made.partialBytes).toBeLessThanOrEqual(512)
  })

  test('a size beyond the limit is refused at the header', () => {
    const made = new Scanner(ONLY_CONNECT, 65_536, 65_536, true)
    made.push(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
    expect([made.next(), made.fault, made.partialBytes]).toEqual([FAULT, 0x95, 0])
  })

  test('the size limit counts the fixed header: at it passes, above it does not', () => {
    const publish = mqtt.generate({
      cmd: 'publish',
      topic: 'a',
      payload: Buffer.alloc(195),
      qos: 0,
      dup: false,
      retain: false,
    })
    expect(scan(scanner(4, publish.length), [publish]).packets).toHaveLength(1)
    expect(scan(scanner(4, publish.length - 1), [publish]).fault).toBe(0x95)
  })

  test.each([
    ['GET / HTTP/1.1', Buffer.from('GET / HTTP')],
    ['TLS', Buffer.from([0x16, 3, 1])],
    ['PUBLISH before CONNECT', Buffer.from([0x30])],
    ['CONNECT with flags', Buffer.from([0x11])],
  ])('one byte is enough to refuse %s', (_, bytes) => {
    const made = new Scanner(ONLY_CONNECT, 65_536, 65_536, true)
    made.push(bytes.subarray(0, 1))
    expect(made.next()).toBe(FAULT)
  })

  test.each([
    ['type 0', 5, [0x00, 0], 0x81],
    ['AUTH in 3.1.1, where it is reserved', 4, [0xf0, 0], 0x81],
    ['QoS 3', 5, [0x36, 3, 0, 1, 0x61], 0x81],
    ['flags of SUBSCRIBE 0', 5, [0x80, 0], 0x81],
    ['flags of UNSUBSCRIBE 3', 5, [0xa3, 0], 0x81],
    ['flags of PUBREL 0', 5, [0x60, 2, 0, 1], 0x81],
    ['flags of PINGREQ 1', 5, [0xc1, 0], 0x81],
    ['a second CONNECT', 5, [0x10, 0], 0x82],
    ['CONNACK of a client', 5, [0x20, 2, 0, 0], 0x82],
    ['SUBACK of a client', 5, [0x90, 0], 0x82],
    ['UNSUBACK of a client', 5, [0xb0, 0], 0x82],
    ['PINGRESP of a client', 4, [0xd0, 0], 0x82],
    ['a fifth byte of Remaining Length', 4, [0x30, 0x80, 0x80, 0x80, 0x80, 1], 0x81],
    ['a longer Remaining Length than needed', 5, [0xc0, 0x80, 0], 0x81],
  ])('refuses %s', (_, version, bytes, fault) => {
    expect(scan(scanner(version), [Buffer.from(bytes)])).toMatchObject({ packets: [], fault })
    const single = bytes.map((byte) => Buffer.from([byte]))
    expect(scan(scanner(version), single)).toMatchObject({ packets: [], fault })
  })

  test('a limit of their own holds for packets other than PUBLISH, and for properties', () => {
    const filters = Array.from({ length: 40 }, (_, i) => ({ topic: `t/${i}`, qos: 0 as const }))
    const subscribe = mqtt.generate({ cmd: 'subscribe', messageId: 1, subscriptions: filters })
    expect(scan(scanner(4, 1_000_000, 100, 100), [subscribe]).fault).toBe(0x95)
    expect(scan(scanner(4, 1_000_000, 100), [subscribe]).packets).toEqual([subscribe])
    const publish = mqtt.generate(
      {
        cmd: 'publish',
        topic: 'a',
        payload: Buffer.alloc(500),
        qos: 0,
        dup: false,
        retain: false,
        properties: { userProperties: { k: 'v'.repeat(200) } },
      },
      { protocolVersion: 5 },
    )
    expect(scan(scanner(5, 1_000_000, 100, 100), [publish]).fault).toBe(0x95)
    expect(scan(scanner(5, 1_000_000, 100, 300), [publish]).packets).toEqual([publish])
  })

  test('a large PUBLISH may be read whole after its head, however it is cut', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.array(fc.integer({ min: 1, max: 60 })), (length, cuts) => {
        const bytes = mqtt.generate({ ...empty, topic: 'a/b', payload: Buffer.alloc(length, 1) })
        const made = scanner(4, 1_000_000, 50)
        const whole: Buffer[] = []
        for (const chunk of split(Buffer.concat([bytes, bytes]), cuts)) {
          made.push(chunk)
          for (let what = made.next(); what !== MORE; what = made.next()) {
            if (what === HEAD) made.takeWhole()
            else whole.push(Buffer.from(made.buffer.subarray(made.start, made.end)))
          }
        }
        expect(whole).toEqual([bytes, bytes])
        expect(made.isMidPacket).toBe(false)
      }),
    )
  })

  test('a large PUBLISH without a payload is whole once its head is there', () => {
    const long = mqtt.generate({ ...empty, topic: 'a'.repeat(500) })
    const made = scanner(4, 1_000_000, 100)
    made.push(long)
    expect([made.next(), made.last, made.isMidPacket]).toEqual([WHOLE, true, false])
    expect(scan(scanner(4, 1_000_000, 100), [long, long]).packets).toEqual([long, long])
  })

  test('a large PUBLISH whose topic or properties run past its end is malformed', () => {
    const body = Buffer.alloc(200)
    body.writeUInt16BE(300, 0)
    const packet = Buffer.concat([Buffer.from([0x30, 0xc8, 1]), body])
    expect(scan(scanner(4, 1000, 100), [packet]).fault).toBe(0x81)
    const properties = Buffer.concat([Buffer.from([0x30, 0xc8, 1, 0, 1, 0x61, 0x80, 0x08]), body])
    expect(scan(scanner(5, 1000, 100), [properties]).fault).toBe(0x95)
    expect(scan(scanner(5, 1000, 199), [properties]).fault).toBe(0x95)
  })
})

describe('Variable Byte Integers', () => {
  test('read what was written, in the fewest bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 268_435_455 }), (value) => {
        const buffer = Buffer.alloc(5)
        const end = writeVariableInteger(buffer, 0, value)
        expect(end).toBe(variableIntegerSize(value))
        expect(readVariableInteger(buffer, 0, end)).toBe(value)
        expect(readVariableInteger(buffer, 0, end - 1)).toBeLessThan(0)
      }),
    )
  })
})

describe('text', () => {
  test('is what a strict decoder takes, without NUL', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const oracle = (bytes: Uint8Array) => {
      try {
        return !decoder.decode(bytes).includes('\0')
      } catch {
        return false
      }
    }
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 8 }).map((s) => new Uint8Array(Buffer.from(s))),
    )
    fc.assert(
      fc.property(bytes, (value) => {
        expect(isText(Buffer.from(value), 0, value.length)).toBe(oracle(value))
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    ['an overlong slash', [0xc0, 0xaf], false],
    ['a surrogate', [0xed, 0xa0, 0x80], false],
    ['NUL', [0x61, 0], false],
    ['NUL after other text', [0xc3, 0xa9, 0], false],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80], false],
    ['cut off', [0xe2, 0x82], false],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], true],
    ['an emoji', [0xf0, 0x9f, 0x98, 0x80], true],
    ['nothing', [], true],
  ])('%s', (_, bytes, good) => {
    expect(isText(Buffer.from(bytes), 0, bytes.length)).toBe(good)
  })
})

describe('properties', () => {
  const PUBLISH = 3
  const CONNECT = 1
  const SUBSCRIBE = 8
  test.each([
    ['none', PUBLISH, [0], 0],
    ['an alias', PUBLISH, [3, 0x23, 0, 1], 0],
    ['user properties twice', PUBLISH, [14, 0x26, 0, 1, 97, 0, 1, 98, 0x26, 0, 1, 97, 0, 1, 98], 0],
    ['a length that runs past the end', PUBLISH, [4, 0x23, 0, 1], 0x81],
    ['a length that is cut off', PUBLISH, [0x80], 0x81],
    ['no length at all', PUBLISH, [], 0x81],
    ['an unknown id', PUBLISH, [2, 0x04, 0], 0x81],
    ['an id of two bytes', PUBLISH, [3, 0x81, 1, 0], 0x81],
    ['an alias twice', PUBLISH, [6, 0x23, 0, 1, 0x23, 0, 2], 0x82],
    ['one of another packet', PUBLISH, [5, 0x11, 0, 0, 0, 1], 0x81],
    ['a Subscription Identifier of a client', PUBLISH, [2, 0x0b, 1], 0x82],
    ['a value that the section cuts off', PUBLISH, [2, 0x23, 0], 0x81],
    ['Payload Format Indicator 2', PUBLISH, [2, 0x01, 2], 0x82],
    ['a Response Topic that is no text', PUBLISH, [4, 0x08, 0, 1, 0xff], 0x81],
    ['a user property that is no text', PUBLISH, [6, 0x26, 0, 0, 0, 1, 0], 0x81],
    ['Receive Maximum 0', CONNECT, [3, 0x21, 0, 0], 0x82],
    ['Maximum Packet Size 0', CONNECT, [5, 0x27, 0, 0, 0, 0], 0x82],
    ['Request Problem Information 2', CONNECT, [2, 0x17, 2], 0x82],
    ['Topic Alias in CONNECT', CONNECT, [3, 0x23, 0, 1], 0x81],
    ['Subscription Identifier 0', SUBSCRIBE, [2, 0x0b, 0], 0x82],
    ['Subscription Identifier of 4 bytes', SUBSCRIBE, [5, 0x0b, 0xff, 0xff, 0xff, 0x7f], 0],
  ])('%s', (_, packetType, bytes, code) => {
    expect(new Properties().read(Buffer.from(bytes), 0, bytes.length, packetType)).toBe(code)
  })

  test('are left out by name and otherwise kept byte for byte', () => {
    const bytes = Buffer.from([11, 0x11, 0, 0, 0, 9, 0x21, 0, 5, 0x22, 0, 7])
    const read = new Properties()
    expect(read.read(bytes, 0, bytes.length, CONNECT)).toBe(0)
    expect(read.uint32(0x11)).toBe(9)
    expect([...read.without(0x11, 0x22)]).toEqual([0x21, 0, 5])
  })

  test('random sections are never read past their end', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.integer({ min: 0, max: 15 }),
        (bytes, at) => {
          const read = new Properties()
          const code = read.read(Buffer.from(bytes), 0, bytes.length, at)
          expect([0, 0x81, 0x82]).toContain(code)
          if (code === 0) expect(read.end).toBeLessThanOrEqual(bytes.length)
        },
      ),
      { numRuns: 3000 },
    )
  })
})
