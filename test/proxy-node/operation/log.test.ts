import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { formatLine, openLog } from '../../../proxy-node/operation/log.ts'
import { until } from '../fixtures/mosquitto.ts'

describe('a log line', () => {
  const at = new Date(0)

  test('is one JSON object with what is known', () => {
    const line = formatLine(at, 'session_started', { sub: 'a', session: 1, client_id: undefined })
    expect(line).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","event":"session_started","sub":"a","session":1}',
    )
  })

  test.each([
    'a\nb',
    '\u001b[2J',
    '\u0085',
    '\u2028',
    '\u202eabc',
    '\ufeff',
    '\u200b',
    '"}{"',
    '\ud800',
  ])('keeps %j from breaking out, and gives it back when it is read', (text) => {
    const line = formatLine(at, 'x', { text })
    expect(line).toMatch(/^[\x20-\x7e]+$/)
    expect(JSON.parse(line)).toMatchObject({ text })
  })

  test('cuts long text, never within a character', () => {
    const line = formatLine(at, 'x', { text: `${'a'.repeat(199)}\u{1f600}${'b'.repeat(9999)}` })
    expect(line.length).toBeLessThan(300)
    expect(JSON.parse(line).text.isWellFormed()).toBe(true)
  })
})

describe('a reader that is stuck', () => {
  /** A stream whose reader takes nothing until it is told to. */
  function openStuck() {
    const taken: string[] = []
    let release: (() => void) | null = null
    let isStuck = true
    const stream = new Writable({
      highWaterMark: 64,
      decodeStrings: false,
      write(chunk: string, _encoding, done) {
        taken.push(chunk)
        if (isStuck) release = done
        else done()
      },
    })
    const goOn = () => {
      isStuck = false
      release?.()
    }
    const events = () =>
      taken.map((line) => {
        const { event, n, count } = JSON.parse(line)
        return n ?? `${event} ${count}`
      })
    return { stream, goOn, events }
  }

  test('keeps lines up to a bound; those beyond are dropped, counted and said when it reads again', async () => {
    const { stream, goOn, events } = openStuck()
    const log = openLog(stream, 1000)
    for (let n = 0; n < 5000; n++) log.write('session_started', { n })
    expect(stream.writableLength).toBeLessThan(1200)
    const dropped = log.dropped()
    expect(dropped).toBeGreaterThan(4900)
    goOn()
    await until(() => stream.writableLength === 0, 'all is read')
    log.write('session_started', { n: 5000 })
    await until(() => stream.writableLength === 0, 'all is read')
    const kept = Array.from({ length: 5000 - dropped }, (_, n) => n)
    expect(events()).toEqual([...kept, `lines_dropped ${dropped}`, 5000])
    expect(log.dropped()).toBe(dropped)
  })

  test('loses nothing where it is slow alone', async () => {
    const { stream, goOn, events } = openStuck()
    const log = openLog(stream, 1000)
    for (let n = 0; n < 10; n++) log.write('x', { n })
    goOn()
    await until(() => stream.writableLength === 0, 'all is read')
    expect(events()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})
