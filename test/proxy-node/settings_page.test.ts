// The section of docs/settings.md about mProxy is the table of proxy-node/config.ts, row by row.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readProxyConfig, VARIABLES, type Variable } from '../../proxy-node/config.ts'

const root = new URL('../..', import.meta.url).pathname
const variables: [string, Variable<unknown>][] = Object.entries(VARIABLES)

/** The rows of the page: an example stands there only where it says more than the default. */
function renderVariables(): string[] {
  const rows = variables.map(([name, { default: text, remark, example, meaning }]) => {
    const inWords = text === undefined ? remark : remark === '' ? '' : ` (${remark})`
    const cells = [
      `\`${name}\``,
      `${text === undefined ? '' : `\`${text}\``}${inWords}`,
      text === example ? '' : `\`${example}\``,
      meaning,
    ]
    return `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |')
  })
  return ['| name | default | example | meaning |', '| --- | --- | --- | --- |', ...rows]
}

test('docs/settings.md has each variable of mProxy, as its table says', () => {
  const page = readFileSync(join(root, 'docs/settings.md'), 'utf8')
  const [, section = ''] = page.split('\n## mProxy\n')
  const [own = ''] = section.split('\n## ')
  expect(own.split('\n').filter((line) => line.startsWith('|'))).toEqual(renderVariables())
})

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
  expect(start).toContain(`env['MQTT_LISTEN'] ??= '${VARIABLES.MQTT_LISTEN.default}'`)
})
