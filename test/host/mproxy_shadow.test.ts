// Shadow mode of the program: it says what it is, and keeps what it saw for `allauth mproxy learn`.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { login, publish, startAccepting, subscribe } from '../proxy-node/fixtures/wire.ts'
import { temporaryFolder } from '../support/folder.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import { type RunningProxy, startProxy } from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'

const folder = temporaryFolder()
let issuer: TestIssuer | undefined
let proxy: RunningProxy | undefined
let broker: Awaited<ReturnType<typeof startAccepting>> | undefined
afterEach(async () => {
  await proxy?.stop()
  await issuer?.stop()
  broker?.stop()
  folder.remove()
})

test('says so at its start, counts what the rules would refuse, and keeps topics without payloads', async () => {
  issuer = await startIssuer()
  broker = await startAccepting(0)
  const STATE_DIR = join(folder.path, 'state')
  proxy = await startProxy({
    issuer: issuer.url,
    broker: `mqtt://127.0.0.1:${broker.port}`,
    env: { MQTT_ACL_MODE: 'shadow', STATE_DIR },
  })
  const started = proxy
  await until('the line', () => started.lines('shadow_mode').length > 0)
  expect(proxy.lines('shadow_mode')).toEqual([
    expect.objectContaining({ warning: expect.stringContaining('refuse nothing') }),
  ])
  expect(await proxy.metric('mproxy_shadow_mode')).toBe(1)
  const password = Buffer.from(await issuer.mint())
  const client = await login(proxy.port, 5, 'dev-1', { password })
  client.send(publish('plant/dev-1/state', { payload: 'geheim', qos: 1, messageId: 1 }))
  client.send(subscribe(2, 'plant/dev-1/set', '$share/g/plant/all'))
  const denials = (action: string) =>
    proxy!.metric('mproxy_shadow_denials_total', `action="${action}"`)
  await until('all is counted', async () => (await denials('subscribe')) === 2)
  expect(await denials('publish')).toBe(1)
  client.close()
  expect(await proxy.stop()).toBe(0)
  const file = join(STATE_DIR, 'shadow.json')
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('geheim')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const { seen } = JSON.parse(text) as { seen: { topic: string; action: string; sub: string }[] }
  // Types and places come from the registry.
  const { openHost } = await import('../../worker/entry/host.ts')
  const { applyBlueprint } = await import('../../worker/admin/blueprint.ts')
  const { learn } = await import('../../worker/entry/commands/mproxy_learn.ts')
  const host = await openHost(
    {
      DATABASE_URL: `file:${join(folder.path, 'allauth.db')}`,
      SECRET_KEY: Buffer.alloc(32, 7).toString('base64url'),
    },
    () => {},
    { isCommandLine: true },
  )
  const blueprint = {
    groups: [{ id: 'plant', kind: 'site' }],
    device_types: [{ name: 'press' }],
    devices: [{ id: 'dev-1', type: 'press', groups: ['plant'] }],
  }
  await applyBlueprint(host.system(), blueprint, {})
  const learned = await learn(host.system(), undefined, { STATE_DIR })
  expect(learned.text).toContain('name: "press" # 1 devices')
  const rules = (learned.json as { types: { templates: { rule: object }[] }[] }).types[0]!.templates
  expect(rules.map(({ rule }) => rule)).toEqual(
    [
      {
        permission: 'allow',
        action: 'publish',
        topic: '${group.id}/${device.id}/state',
        retain: false,
      },
      { permission: 'allow', action: 'subscribe', topic: '${group.id}/${device.id}/set' },
      { permission: 'allow', action: 'subscribe', topic: '${group.id}/all' },
    ].sort((a, b) => (a.topic < b.topic ? -1 : 1)),
  )
  await expect(learn(host.system(), file.replace('.json', ''), {})).rejects.toThrow(
    'cannot be read',
  )
  await host.close()
  expect(seen.map(({ sub, action, topic }) => `${sub} ${action} ${topic}`).sort()).toEqual([
    'dev-1 publish plant/dev-1/state',
    'dev-1 subscribe $share/g/plant/all',
    'dev-1 subscribe plant/dev-1/set',
  ])
})
