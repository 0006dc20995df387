// The commands about devices and access: each is run once, on one database, with its answer in
// JSON. The command line around them is started for a few.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  isRegistryCommand,
  REGISTRY_USAGE,
  type RegistryCommand,
} from '../../worker/entry/commands/registry_usage.ts'
import { makeAuthority } from '../support/certificates.ts'
import { temporaryFolder } from '../support/folder.ts'
import { runCli } from './programs.ts'

let folder: ReturnType<typeof temporaryFolder>
let host: Awaited<ReturnType<typeof openHere>>
const run = new Set<RegistryCommand>()

async function openHere() {
  const { openHost } = await import('../../worker/entry/host.ts')
  const { registryCommand } = await import('../../worker/entry/commands/registry.ts')
  const { applyBlueprint } = await import('../../worker/admin/blueprint.ts')
  const env = {
    DATABASE_URL: `file:${join(folder.path, 'allauth.db')}`,
    ISSUER: 'http://localhost',
  }
  const opened = await openHost(
    { ...env, SECRET_KEY: Buffer.alloc(32, 7).toString('base64url') },
    () => {},
    { isCommandLine: true },
  )
  await applyBlueprint(opened.system(), DOCUMENT, {})
  return { ...opened, env, registryCommand }
}

const RULE = { permission: 'allow', action: 'subscribe', topic: 'sites/${group.id}/#' } as const

const DOCUMENT = {
  settings: { sign_up: 'open' },
  roles: [
    { name: 'resident', permissions: ['device:read'], acl: [RULE] },
    { name: 'owner', permissions: ['device:read'], acl: [RULE] },
  ],
  groups: [
    { id: 'home', kind: 'site' },
    { id: 'hall', kind: 'room', parent_id: 'home' },
  ],
  users: [{ id: 'ann', email: 'ann@example.com', groups: ['home'] }],
  device_types: [{ name: 'lamp' }],
  devices: [
    { id: 'lamp-1', type: 'lamp', groups: ['hall'], tags: ['old'] },
    { id: 'lamp-2', type: 'lamp', groups: ['hall'] },
  ],
  grants: [{ subject: 'ann', role: 'resident', object: 'home' }],
}

beforeAll(async () => {
  folder = temporaryFolder()
  host = await openHere()
}, 60_000)
afterAll(async () => {
  await host.close()
  folder.remove()
})

type Options = Record<string, string | boolean | string[]>

/** Runs `NOUN VERB WORD ...` and answers its JSON. */
async function say(text: string, options: Options = {}): Promise<Record<string, unknown>> {
  const [noun, verb, ...words] = text.split(' ')
  const name = `${noun} ${verb}`
  if (!isRegistryCommand(name)) throw new Error(`there is no command ${name}`)
  run.add(name)
  const answer = await host.registryCommand(name)(host.system(), words, options)
  expect(typeof answer.text).toBe('string')
  return answer.json as Record<string, unknown>
}

const file = (name: string, value: unknown) => {
  const path = join(folder.path, name)
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

test('the help has each command with its words, and a command that is not there is refused with it', async () => {
  const { code, output } = await runCli(['help'], folder.path)
  expect(code).toBe(0)
  for (const [name, words] of Object.entries(REGISTRY_USAGE)) {
    expect(output).toContain(`  ${name} ${words}`.trimEnd())
  }
  const unknown = await runCli(['device', 'paint'], folder.path)
  expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('device rotate ID')])
})

test('devices are listed, changed, asked for other keys, and released', async () => {
  expect(await say('device list', { filter: ['tag=old'] })).toMatchObject({
    items: [{ id: 'lamp-1' }],
  })
  expect(await say('device get lamp-1')).toMatchObject({ id: 'lamp-1' })
  expect(await say('device suspend lamp-1')).toMatchObject({ status: 'suspended' })
  expect(await say('device activate lamp-1')).toMatchObject({ status: 'active' })
  expect(await say('device tag lamp-1', { tag: ['new'] })).toMatchObject({ tags: ['new', 'old'] })
  expect(await say('device move lamp-1', { to: 'home', from: 'hall' })).toMatchObject({
    groups: ['home'],
  })
  const rows = [
    { id: 'lamp-3', type: 'lamp' },
    { type: 'none', id: 'x' },
  ]
  const devices = file('devices.ndjson', rows.map((row) => JSON.stringify(row)).join('\n'))
  for (const dry of [true, false]) {
    expect(await say(`device import ${devices}`, { 'dry-run': dry })).toMatchObject({
      dry_run: dry,
      summary: { created: 1, failed: 1 },
      failed: [{ line: 2 }],
    })
  }
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  const keyed = file('keyed.ndjson', {
    id: 'lamp-4',
    type: 'lamp',
    credentials: [{ kind: 'jwk', jwk }],
  })
  await say(`device import ${keyed}`)
  expect(await say('device rotate lamp-4', { by: '2100-01-01' })).toEqual({
    rotate_by: 4_102_444_800,
    keys: 1,
  })
  expect(await say('device keys lamp-4')).toMatchObject({ items: [{ rotate_by: 4_102_444_800 }] })
  expect(await say('device self lamp-4')).toMatchObject({ id: 'lamp-4', acl: [] })
  await expect(say('device report lamp-4')).rejects.toThrow('report')
  expect(await say('device release lamp-4')).toMatchObject({ status: 'unclaimed' })
  await expect(say('device rotate lamp-4', { by: 'soon' })).rejects.toThrow('is no time')
  await expect(say('device rotate lamp-4', { by: '1970-01-01' })).rejects.toThrow('in the past')
})

test('types are made of a file, changed, asked for other keys, and deleted', async () => {
  const made = file('type.json', { token_ttl: 600, acl: [{ ...RULE, topic: 'a' }] })
  expect(await say('type create valve', { file: made })).toMatchObject({
    name: 'valve',
    token_ttl: 600,
  })
  const change = file('change.json', { description: 'opens' })
  expect(await say('type change valve', { file: change })).toMatchObject({ description: 'opens' })
  expect(await say('type get valve')).toMatchObject({ description: 'opens' })
  expect(await say('type rotate valve', { by: '4102444800' })).toMatchObject({ type: 'valve' })
  expect(await say('type list')).toMatchObject({ items: [{ name: 'lamp' }, { name: 'valve' }] })
  expect(await say('type delete valve')).toEqual({})
  await expect(say('type change lamp')).rejects.toThrow('--file')
  await expect(say('type create x', { file: file('no.json', '{') })).rejects.toThrow('is no JSON')
  await expect(say('type create x', { file: file('a.json', 5) })).rejects.toThrow('no JSON object')
})

test('claim tokens are made, listed and ended, with the devices of their batch or without', async () => {
  const made = await say('claim-token create', { type: 'lamp', group: ['hall'], 'max-uses': '5' })
  expect(made).toMatchObject({ uses: 5, group: 'hall', claim_token: expect.any(String) })
  const { id } = made
  expect(await say(`claim-token get ${id}`)).toMatchObject({ id, used: 0 })
  expect(await say('claim-token list')).toMatchObject({ items: [{ id }] })
  expect(JSON.stringify(await say('claim-token list'))).not.toContain(String(made['claim_token']))
  expect(await say(`claim-token revoke ${id}`, { keep: true })).toMatchObject({
    id,
    devices_suspended: 0,
    revoked_at: expect.any(Number),
  })
  await expect(say('claim-token create', { type: 'lamp', 'max-uses': 'x' })).rejects.toThrow(
    'no whole number',
  )
})

test('groups, members and grants are listed, made and ended', async () => {
  expect(await say('group create depot', { kind: 'store' })).toMatchObject({ id: 'depot' })
  expect(await say('group get depot')).toMatchObject({ kind: 'store' })
  expect(await say('group move depot', { to: 'home' })).toMatchObject({ parent_id: 'home' })
  await say('group add depot lamp-2')
  await say('group remove depot lamp-2')
  await say('group delete depot')
  expect(await say('group list')).toMatchObject({ items: [{ id: 'hall' }, { id: 'home' }] })
  const grant = await say('grant create ann resident lamp-2')
  expect(await say('grant list', { filter: ['object=lamp-2'] })).toMatchObject({
    items: [{ id: grant['id'] }],
  })
  await say(`grant delete ${grant['id']}`)
})

test('a decision is asked, explained and searched, and a change looked at before it is made', async () => {
  expect(await say('access check user:ann device:read device:lamp-2')).toMatchObject({
    decision: true,
  })
  expect(await say('access explain user:ann device:open device:lamp-2')).toMatchObject({
    decision: false,
  })
  expect(await say('access explain user:ann subscribe topic:sites/home/x')).toMatchObject({
    decision: true,
  })
  const results = [{ type: 'user', id: 'ann' }]
  expect(await say('access search subject user:- device:read device:lamp-2')).toMatchObject({
    results,
  })
  expect(
    await say('access search resource user:ann device:read device:-', { limit: '1' }),
  ).toMatchObject({ results: [{ id: 'lamp-1' }], page: { next_token: expect.any(String) } })
  expect(await say('access search action user:ann - device:lamp-2')).toMatchObject({
    results: [{ name: 'device:read' }],
  })
  await expect(say('access search thing user:ann x device:y')).rejects.toThrow('looked for')
  await expect(say('access check ann device:read device:lamp-2')).rejects.toThrow('KIND:ID')
  expect(await say('access of ann')).toMatchObject({ items: [{ role: 'resident' }] })
  expect(await say('access to lamp-2')).toMatchObject({ items: [{ subject: 'ann' }] })
  const change = file('preview.json', { role: { name: 'resident', acl: [] } })
  expect(await say('access preview', { file: change })).toMatchObject({
    examined: 1,
    loses: { count: 2 },
  })
})

test('a place is offered, looked at and kept', async () => {
  const offer = { to: 'bea@example.com', 'end-keys': true }
  const tried = await say('transfer offer home', { ...offer, 'dry-run': true })
  expect(tried).toMatchObject({ state: 'dry_run', end_credentials: true })
  await expect(say('transfer get home')).rejects.toThrow('no transfer')
  expect(await say('transfer offer home', offer)).toMatchObject({ state: 'open' })
  expect(await say('transfer get home')).toMatchObject({ state: 'open' })
  expect(await say('transfer withdraw home')).toEqual({})
  expect(await say('transfer get home')).toMatchObject({ state: 'withdrawn' })
})

test('an origin of tokens has an entry, and a list says what became of a place', async () => {
  type Entry = { kind: string; origin: string; list: number; idx: number; waits: boolean }
  const entryOf = async (id: string) =>
    ((await say(`status get ${id}`)) as { items: Entry[] }).items[0]
  const look = async (entry: Entry | undefined) =>
    (await say(`status look ${entry?.list} ${entry?.idx}`))['state']
  expect(await say('status list')).toMatchObject({ lists: 1, waiting: [] })
  const first = await entryOf('lamp-2')
  expect(first).toMatchObject({ kind: 'device', origin: 'lamp-2', waits: false })
  expect(await look(first)).toBe('valid')
  await say('group remove hall lamp-2')
  expect(await look(first)).toBe('superseded')
  const second = await entryOf('lamp-2')
  expect(await look(second)).toBe('valid')
  await say('device suspend lamp-2')
  expect(await look(second)).toBe('ended')
  expect(await entryOf('lamp-2')).toBeUndefined()
  for (const [list, idx] of [
    ['9', '0'],
    ['0', '1048576'],
  ]) {
    await expect(say(`status look ${list} ${idx}`)).rejects.toThrow('no such place')
  }
  await expect(say('status look 0 -1')).rejects.toThrow('no whole number')
  await say('device activate lamp-2')
})

test('a job is begun, worked, looked at, cancelled and taken back', async () => {
  const wish = { filter: ['type=lamp'], by: '2100-01-01' }
  expect(await say('job create rotate', { ...wish, 'dry-run': true })).toMatchObject({
    is_complete: true,
  })
  const { id } = await say('job create rotate', wish)
  await say('job run')
  expect(await say(`job get ${id}`)).toMatchObject({
    state: 'done',
    change: { action: 'rotate', before: 4_102_444_800 },
  })
  expect(await say(`job results ${id}`, { limit: '1' })).toMatchObject({
    items: [{ result: 'unchanged' }],
  })
  const back = await say(`job undo ${id}`)
  expect(await say(`job cancel ${back['id']}`)).toMatchObject({ state: 'cancelled' })
  expect(((await say('job list'))['items'] as object[]).length).toBe(2)
})

test('an authority of devices is registered, disabled, enabled and forgotten', async () => {
  const { pem } = await makeAuthority()
  const path = file('works.crt', pem)
  const { id } = await say(`device-ca create works ${path}`, { type: 'lamp' })
  expect(await say(`device-ca disable ${id}`)).toMatchObject({
    enabled: false,
    device_type: 'lamp',
  })
  expect(await say(`device-ca enable ${id}`)).toMatchObject({ enabled: true })
  expect(await say('device-ca list')).toMatchObject({ items: [{ name: 'works' }] })
  await say(`device-ca delete ${id}`)
  expect(await say('device-ca list')).toMatchObject({ items: [] })
  await expect(say('device-ca create works nowhere.crt')).rejects.toThrow('no file')
})

test('each command of the help was run here', () => {
  expect([...run].sort()).toEqual(Object.keys(REGISTRY_USAGE).sort())
})
