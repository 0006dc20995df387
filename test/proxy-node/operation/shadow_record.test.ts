// The record of shadow mode: bounded for each subject and in all, and kept over a restart.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseShadowFile } from '../../../policy/shadow_file.ts'
import { openShadowRecord } from '../../../proxy-node/operation/shadow_record.ts'
import type { Observation } from '../../../proxy-node/session/events.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { identify } from '../fixtures/proxy.ts'

const folder = temporaryFolder()
afterAll(folder.remove)

const seen = (sub: string, topic: string, more: Partial<Observation> = {}): Observation => ({
  identity: identify(sub, []),
  clientId: sub,
  action: 'publish',
  topic,
  qos: 0,
  retain: false,
  isAllowed: true,
  ...more,
})
const never = (code: string) => {
  throw new Error(code)
}
const read = (at: string) => {
  const content = parseShadowFile(readFileSync(join(at, 'shadow.json'), 'utf8'))
  if (content === null) throw new Error('no record')
  return content
}

test('a client that uses a topic for each message fills its own share, and no memory', () => {
  const at = join(folder.path, 'full')
  const record = openShadowRecord(at, never)
  for (let n = 0; n < 5000; n++) record.note(seen('noisy', `a/${n}`))
  record.note(seen('noisy', 'x'.repeat(600)))
  record.note(seen('calm', 'b'))
  record.close()
  const { seen: lines, dropped } = read(at)
  expect(lines.filter(({ sub }) => sub === 'noisy')).toHaveLength(200)
  expect(lines.filter(({ sub }) => sub === 'calm')).toHaveLength(1)
  expect(dropped).toBe(4801)
})

test('what was seen before a restart is there after it, and counts on', () => {
  const at = join(folder.path, 'kept')
  for (const retain of [false, true]) {
    const record = openShadowRecord(at, never)
    record.note(seen('dev', 'a', { retain, isAllowed: retain }))
    record.note(seen('dev', 'w', { action: 'will' }))
    record.note(seen('dev', 'd', { action: 'delivery', isAllowed: false }))
    record.close()
  }
  expect(read(at).seen).toEqual([
    { sub: 'dev', action: 'publish', topic: 'a', retain: [false, true], denied: true, count: 2 },
    { sub: 'dev', action: 'publish', topic: 'w', retain: [false], denied: false, count: 2 },
  ])
})

test('a file that is none is written anew, and a folder that takes nothing is said', () => {
  const at = join(folder.path, 'odd')
  mkdirSync(at)
  writeFileSync(join(at, 'shadow.json'), 'half a rec')
  const record = openShadowRecord(at, never)
  record.note(seen('dev', 'a'))
  record.close()
  expect(read(at).seen).toHaveLength(1)
  const faults: string[] = []
  const file = join(folder.path, 'file')
  writeFileSync(file, '')
  chmodSync(file, 0o400)
  const lost = openShadowRecord(join(file, 'below'), (code) => faults.push(code))
  lost.note(seen('dev', 'a'))
  lost.close()
  expect(faults).toEqual(['ENOTDIR'])
})
