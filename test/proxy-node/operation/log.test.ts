import { describe, expect, test } from 'vitest'
import { formatLine } from '../../../proxy-node/operation/log.ts'

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
