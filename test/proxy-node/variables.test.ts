// Each variable of mProxy means what its entry says. The page that is made from the entries is test/docs.test.ts's.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROXY_VARIABLES, readProxyConfig } from '../../proxy-node/config.ts'
import type { Variable } from '../../proxy-node/variables.ts'

const root = new URL('../..', import.meta.url).pathname
const variables: [string, Variable<unknown>][] = Object.entries(PROXY_VARIABLES)

test.each(variables)('%s: its example is accepted', (name, { example }) => {
  const env = { MQTT_UPSTREAM: 'mqtt://127.0.0.1:1884', [name]: example }
  expect(readProxyConfig(env)).toMatchObject({ ok: true })
})

test.each(variables)('%s: its default, written out, means the same as none', (name, variable) => {
  const env = { MQTT_UPSTREAM: 'mqtt://127.0.0.1:1884' }
  const text = variable.default
  if (text === undefined) expect(variable.remark).not.toBe('')
  else expect(readProxyConfig({ ...env, [name]: text })).toEqual(readProxyConfig(env))
})

test('npm start lets mProxy listen where it does by itself', () => {
  const start = readFileSync(join(root, 'worker/entry/start.ts'), 'utf8')
  expect(start).toContain(`env['MQTT_LISTEN'] ??= '${PROXY_VARIABLES.MQTT_LISTEN.default}'`)
})
