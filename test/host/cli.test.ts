// The commands of the command line that no other suite types: each on an empty folder, for people
// and in JSON.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { runCli } from './programs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeAll(() => {
  folder = temporaryFolder()
})
afterAll(() => folder.remove())

const answer = async (...args: string[]) => {
  const { code, output } = await runCli([...args, '--json'], folder.path)
  expect(code, output).toBe(0)
  return JSON.parse(output)
}

test('migrate brings an empty database up to date, and a second time changes nothing', async () => {
  expect(await answer('migrate')).toEqual({
    applied: [
      '0001_foundation',
      '0002_authorization_server',
      '0003_profile',
      '0004_client_id_metadata',
      '0005_withdrawal',
      '0006_delivery',
      '0007_batch_refusal',
      '0015_events_and_links',
    ],
  })
  expect((await runCli(['migrate'], folder.path)).output.trim()).toBe('no changes')
})

test('key rotate makes one key that waits; a second time it is the same', async () => {
  const before = (await answer('key', 'list')) as { keys: { kid: string; alg: string }[] }
  expect(before.keys.map(({ alg }) => alg).sort()).toEqual(['ES256', 'RS256'])
  const next = await answer('key', 'rotate')
  expect(next.signs_at).toBeGreaterThan(Date.now() / 1000 + 300)
  expect(await answer('key', 'rotate')).toEqual(next)
  const after = (await answer('key', 'list')) as typeof before
  expect(after.keys.map(({ kid }) => kid)).toContain(next.kid)
  expect(after.keys).toHaveLength(3)
  const refused = await runCli(['key', 'rotate', '--alg', 'HS256'], folder.path)
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('HS256')])
})

test('registration-token create gives a token once; numbers that are none are refused', async () => {
  const options = [
    '--scope',
    'openid mqtt',
    '--max-uses',
    '3',
    '--expires-in',
    '60',
    '--name',
    'ci',
  ]
  const made = await answer('registration-token', 'create', ...options)
  expect(made).toMatchObject({
    initial_access_token: expect.stringMatching(/^[\w-]{43}$/),
    description: 'ci',
    scope: 'openid mqtt',
    max_uses: 3,
    uses: 0,
  })
  expect(made.expires_at).toBe(made.created_at + 60)
  const plain = await runCli(['registration-token', 'create'], folder.path)
  expect([plain.code, plain.output.trim()]).toEqual([0, expect.stringMatching(/^[\w-]{43}$/)])
  const refused = await runCli(['registration-token', 'create', '--max-uses', 'many'], folder.path)
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('--max-uses many')])
})

test('refusal says the sentence of a reason in the log, and knows no other', async () => {
  expect(await answer('refusal', 'wrong_secret')).toMatchObject({
    reason: 'wrong_secret',
    sentence: expect.stringMatching(/secret/),
  })
  const unknown = await runCli(['refusal', 'nothing'], folder.path)
  expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('nothing')])
})

test('user reset gives a link to a new password, for a disabled person with a note', async () => {
  const file = join(folder.path, 'people.json')
  const users = [
    { id: 'ann', email: 'ann@example.com' },
    { email: 'bob@example.com', status: 'disabled' },
  ]
  writeFileSync(file, JSON.stringify({ users }))
  await answer('apply', file)
  const made = await answer('user', 'reset', 'Ann@Example.com')
  expect(made.user_id).toBe('ann')
  expect(made.url).toMatch(/^http:\/\/localhost:8787\/recover\/password\?token=[\w-]{43}$/)
  expect(made.expires_at).toBeGreaterThan(Date.now() / 1000 + 3500)
  const disabled = await runCli(['user', 'reset', 'bob@example.com'], folder.path)
  expect(disabled.code).toBe(0)
  expect(disabled.output).toContain('stays so after a new password')
  const unknown = await runCli(['user', 'reset', 'eve@example.com'], folder.path)
  expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('eve@example.com')])
  expect((await runCli(['user', 'reset'], folder.path)).code).toBe(2)
})

test('setup-link gives a link as long as there is no operator', async () => {
  expect((await answer('setup-link')).setup_link).toMatch(/^http:\/\/localhost:8787\/setup\?token=/)
})
