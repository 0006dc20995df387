// `allauth mproxy explain`: what it says is what mProxy does, and it gives nothing of the token away.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { AclRule } from '../../policy/acl.ts'
import { describeAnswer, explainPacket } from '../../proxy-node/explain.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'

const folder = temporaryFolder()
afterAll(folder.remove)

const ISSUER = 'https://id.example.com'
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const SIGNATURE = Buffer.alloc(64, 7).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)

const ALARM: AclRule = {
  permission: 'allow',
  action: 'publish',
  topic: 'plant/+/alarm',
  qos: [0, 1],
}
const SECRET: AclRule = { permission: 'deny', action: 'all', topic: 'plant/secret/#' }

const tokenOf = (claims: Record<string, unknown> = {}, typ = 'at+jwt') =>
  [
    encode({ alg: 'ES256', typ, kid: 'k' }),
    encode({
      iss: ISSUER,
      sub: 'ann',
      client_id: 'app',
      aud: 'urn:allauth:mqtt',
      iat: now(),
      exp: now() + 600,
      jti: 'azn_1.x',
      acl: [SECRET, ALARM],
      ...claims,
    }),
    SIGNATURE,
  ].join('.')

const ask = (words: string, token: string, env: Record<string, string> = {}) =>
  explainPacket(words.split(' '), { ISSUER, ...env }, async () => `${token}\n`)
const answerTo = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).answer

describe('what decides', () => {
  test.each<[string, Record<string, unknown>]>([
    [
      'publish plant/1/alarm --qos 1',
      { allowed: true, verdict: 'allowed', decides: { place: 1, rule: ALARM } },
    ],
    [
      'publish plant/secret/alarm',
      { allowed: false, verdict: 'rule', code: 0x87, decides: { place: 0, rule: SECRET } },
    ],
    [
      'publish plant/1/alarm --qos 2',
      { verdict: 'no_rule', decides: null, nearest: { place: 1, rule: ALARM, lacking: ['qos'] } },
    ],
    [
      'subscribe plant/1/alarm',
      { verdict: 'no_rule', nearest: { place: 1, rule: ALARM, lacking: ['action'] } },
    ],
    ['subscribe #', { allowed: false, verdict: 'rule', decides: { place: 0, rule: SECRET } }],
    ['publish $allauth/token', { verdict: 'reserved', decides: null, nearest: null }],
    ['publish a/#', { verdict: 'bad_topic', code: 0x81 }],
    ['subscribe a#', { verdict: 'bad_topic', code: 0x8f }],
  ])('on %s', async (words, expected) => {
    expect(await answerTo(words, tokenOf())).toMatchObject(expected)
  })

  test('is the settings too: the dialect of the broker, filters in part, shadow mode', async () => {
    const rabbit = { MQTT_UPSTREAM_DIALECT: 'rabbitmq' }
    expect(await answerTo('publish plant/x.y/alarm', tokenOf(), rabbit)).toMatchObject({
      verdict: 'bad_topic',
      code: 0x90,
    })
    const acl = [{ permission: 'allow', action: 'subscribe', topic: 'a/b' }]
    const inPart = { MQTT_PARTIAL_FILTERS: 'deliver' }
    expect(await answerTo('subscribe a/#', tokenOf({ acl }), inPart)).toMatchObject({
      allowed: true,
      verdict: 'allowed_in_part',
      nearest: { lacking: ['part'] },
    })
    const shadow = await ask('publish x', tokenOf(), { MQTT_ACL_MODE: 'shadow' })
    expect(shadow.answer).toMatchObject({ allowed: false, mode: 'shadow' })
  })
})

test('all that is wrong with the token is said, and its rules all the same', async () => {
  const token = tokenOf({ aud: 'urn:other', exp: now() - 5, iat: now() - 600, cnf: { jkt: 'x' } })
  const answer = await answerTo('publish plant/1/alarm', token, { ISSUER: 'https://other.example' })
  expect(answer).toMatchObject({ allowed: false, verdict: 'allowed', decides: { place: 1 } })
  expect([...answer.token.faults].sort()).toEqual([
    'bound_token',
    'expired',
    'wrong_audience',
    'wrong_issuer',
  ])
})

test('a token that is bound to a certificate is explained, with the certificate', async () => {
  const thumbprint = 'x'.repeat(43)
  const token = tokenOf({ cnf: { 'x5t#S256': thumbprint } })
  const answer = await answerTo('publish plant/1/alarm', token)
  expect(answer).toMatchObject({ allowed: true, token: { faults: [], certificate: thumbprint } })
  expect(describeAnswer(answer)).toContain(
    `only on a connection with the client certificate ${thumbprint}`,
  )
})

test('a client id is judged by the rule of mProxy, with one that would do', async () => {
  const token = tokenOf({ first_party: false })
  const rule = { MQTT_CLIENT_ID_RULE: 'application' }
  expect(await answerTo('publish plant/1/alarm --client-id ann:x', token, rule)).toMatchObject({
    allowed: false,
    client: { id: 'ann:x', allowed: false, example: 'ann:oXLO3K5HR0x' },
  })
  expect(
    await answerTo('publish plant/1/alarm --client-id ann:oXLO3K5HR0x', token, rule),
  ).toMatchObject({ allowed: true })
})

describe('a small token', () => {
  const policy = JSON.stringify([
    { permission: 'allow', action: 'publish', topic: 'things/${device.id}/state' },
  ])
  const acl_ref = createHash('sha256').update(policy).digest('base64url')
  const small = (typ = 'atr+jwt') =>
    [
      encode({ alg: 'ES256', typ, kid: 'k' }),
      encode({ iss: ISSUER, sub: 'dim-1', exp: now() + 60, acl_ref }),
      SIGNATURE,
    ].join('.')

  test('has its rules from a file, which must be the one that it names', async () => {
    const file = join(folder.path, 'policy.json')
    writeFileSync(file, `${policy}\n`)
    const words = `publish things/dim-1/state --policy-file ${file}`
    expect(await answerTo(words, small())).toMatchObject({
      allowed: true,
      decides: { rule: { topic: 'things/dim-1/state' } },
    })
    writeFileSync(file, `${policy.replace('state', 'state/#')}\n`)
    await expect(ask(words, small())).rejects.toThrow(acl_ref)
  })

  test('or from the issuer of the settings, and from nowhere that the token alone names', async () => {
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(request.url ?? '')
      response.end(
        [encode({ alg: 'ES256', typ: 'policy+jwt' }), encode({ policy }), SIGNATURE].join('.'),
      )
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const answer = await answerTo('publish things/dim-1/state', small(), {
      ISSUER_ADDRESS: address,
    })
    expect(answer).toMatchObject({ allowed: true })
    expect(asked).toEqual([`/policies/${acl_ref}`])
    server.close()
    await expect(ask('publish x', small(), { ISSUER_ADDRESS: address })).rejects.toThrow(
      '--policy-file',
    )
  })
})

test('the command reads standard input or a file, and takes no token among its words', () => {
  const cli = join(ROOT, 'worker/entry/cli.ts')
  const run = (words: string[], input = '') => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [cli, 'mproxy', 'explain', ...words],
      {
        input,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ISSUER },
      },
    )
    return { status, stdout, stderr }
  }
  const token = tokenOf({ sub: 'a\u202eb' })
  const good = run(['publish', 'plant/1/alarm', '--json'], token)
  expect(good).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(good.stdout)).toMatchObject({ allowed: true, token: { sub: 'a\u202eb' } })
  const file = join(folder.path, 'token')
  writeFileSync(file, token)
  const bad = run(['publish', 'plant/1/alarm', '--qos', '2', '--token-file', file])
  expect(bad.status).toBe(1)
  expect(bad.stdout).toContain('it is for another QoS')
  // Nothing in a token moves the cursor of a terminal, or hides text.
  expect(bad.stdout).not.toContain('\u202e')
  expect(good.stdout + bad.stdout).not.toContain(SIGNATURE)
  const leaked = run(['publish', 'plant/1/alarm', token])
  expect(leaked.status).toBe(2)
  expect(leaked.stderr).toContain('standard input')
  expect(leaked.stderr).not.toContain(SIGNATURE)
})

test('no word is a guess: text that is no token, and rules that are none, are said so', async () => {
  await expect(ask('publish x', 'abc')).rejects.toThrow('no access token')
  await expect(ask('publish x', tokenOf({ acl: 'all' }))).rejects.toThrow('bad_acl')
  await expect(ask('publish x', tokenOf({ sub: 'a:b' }))).rejects.toThrow('malformed')
  await expect(ask('write x', tokenOf())).rejects.toThrow('publish|subscribe')
  expect(describeAnswer(await answerTo('publish x', tokenOf({ acl: [] })))).toContain(
    'none of 0 rules',
  )
})
