// mProxy as a program and its issuer: whose tokens are let in, and what happens when the issuer is
// gone, comes back, brings new keys or takes old ones away.

import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportSPKI, importJWK } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import {
  type Connection,
  type ConnectOptions,
  connect,
  tryConnect,
} from './mproxy_fixtures/clients.ts'
import {
  audience,
  type IssuerKey,
  makeKey,
  startIssuer,
  type TestIssuer,
} from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'
import { startWorkerOn } from './programs.ts'

let broker: Broker
const open: { stop: () => Promise<unknown> }[] = []

beforeAll(async () => {
  broker = await startBroker()
})
afterAll(async () => {
  await broker.stop()
})
afterEach(async () => {
  for (const { stop } of open.splice(0)) await stop()
})

async function start(prepare?: (issuer: TestIssuer) => unknown) {
  const issuer = await startIssuer()
  open.push({ stop: () => issuer.stop() })
  await prepare?.(issuer)
  const proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
  open.unshift(proxy)
  return { issuer, proxy }
}

const knock = (proxy: RunningProxy, token: string, more: Partial<ConnectOptions> = {}) =>
  tryConnect({ url: `mqtt://127.0.0.1:${proxy.port}`, version: 5, id: 'dev-1', token, ...more })

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('tokens that are refused at the door', () => {
  let issuer: TestIssuer
  let proxy: RunningProxy
  beforeAll(async () => {
    issuer = await startIssuer()
    issuer.keys.push(await makeKey('RS256', 'rsa'))
    proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
    await untilReady(proxy)
  })
  afterAll(async () => {
    await proxy.stop()
    await issuer.stop()
  })

  const at = Math.floor(Date.now() / 1000)
  const bad: [string, string, () => Promise<string>][] = [
    ['a wrong audience', 'wrong_audience', () => issuer.mint({ claims: { aud: 'urn:other' } })],
    ['the type of an ID token', 'wrong_type', () => issuer.mint({ header: { typ: 'JWT' } })],
    ['another issuer', 'wrong_issuer', () => issuer.mint({ claims: { iss: 'https://x.example' } })],
    ['an end in the past', 'expired', () => issuer.mint({ claims: { exp: at - 1 } })],
    ['no end', 'malformed', () => issuer.mint({ claims: { exp: undefined } })],
    ['a later beginning', 'not_yet_valid', () => issuer.mint({ claims: { nbf: at + 600 } })],
    [
      'a proof that is not given',
      'bound_token',
      () => issuer.mint({ claims: { cnf: { jkt: 'x' } } }),
    ],
    ['an embedded key', 'malformed', () => issuer.mint({ header: { jwk: issuer.keys[0]!.jwk } })],
    ['rules that cannot be read', 'bad_acl', () => issuer.mint({ claims: { acl: 'all' } })],
    [
      'a forged signature',
      'bad_signature',
      async () => issuer.mint({ key: await makeKey('ES256', 'first') }),
    ],
    [
      'crit',
      'malformed',
      async () => {
        const [, payload, signature] = (await issuer.mint()).split('.')
        const header = { alg: 'ES256', typ: 'at+jwt', kid: 'first', crit: ['exp'] }
        return `${encode(header)}.${payload}.${signature}`
      },
    ],
    [
      'alg none',
      'bad_signature',
      async () => {
        const [, payload] = (await issuer.mint()).split('.')
        return `${encode({ alg: 'none', typ: 'at+jwt', kid: 'first' })}.${payload}.`
      },
    ],
    [
      'HS256 under the public key',
      'bad_signature',
      async () => {
        const publicKey = await importJWK(issuer.keys[1]!.jwk, 'RS256', { extractable: true })
        const secret = await exportSPKI(publicKey as CryptoKey)
        const [, payload] = (await issuer.mint()).split('.')
        const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: 'rsa' })}.${payload}`
        return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
      },
    ],
    ['more than 8 KiB', 'too_large', () => issuer.mint({ claims: { fill: 'x'.repeat(8192) } })],
    ['a password instead', 'malformed', async () => 'correct horse battery staple'],
  ]

  test.each(bad)('%s is refused: %s', async (_, reason, mint) => {
    const token = await mint()
    const before = proxy.lines('connection_refused').length
    expect([0x86, 0x87]).toContain(await knock(proxy, token))
    expect([4, 5]).toContain(await knock(proxy, token, { version: 4 }))
    await until('two lines', () => proxy.lines('connection_refused').length === before + 2)
    const lines = proxy.lines('connection_refused').slice(before)
    expect(lines.map((line) => line['reason'])).toEqual([reason, reason])
    expect(lines.map((line) => line['protocol'])).toEqual(['5.0', '3.1.1'])
    expect(proxy.output()).not.toContain(token)
  })

  test('every signed kind of key is let in beside them', async () => {
    for (const key of issuer.keys) expect(await knock(proxy, await issuer.mint({ key }))).toBe(0)
  })
})

describe('the issuer', () => {
  test('may be gone: sessions go on, and new ones are let in', async () => {
    const { issuer, proxy } = await start()
    await untilReady(proxy)
    const acl = [{ permission: 'allow', action: 'all', topic: 'x/#' }]
    const token = await issuer.mint({ claims: { acl } })
    const session = await connect({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      version: 5,
      id: 'dev-1:a',
      token,
    })
    await session.subscribe(['x/y'])
    await issuer.stop()
    expect(await knock(proxy, token)).toBe(0)
    expect(await knock(proxy, token, { version: 4 })).toBe(0)
    await session.publish('x/y', 'still')
    await until('the message', () => session.messages.includes('x/y still'))
    await session.end()
    await issuer.resume()
  })

  test('may come later than mProxy: refused as unavailable, then let in', async () => {
    const { issuer, proxy } = await start((issuer) => issuer.stop())
    const token = await issuer.mint()
    expect(await knock(proxy, token)).toBe(0x88)
    expect(await knock(proxy, token, { version: 4 })).toBe(3)
    const { status, body } = await proxy.fetch('/readyz')
    expect(status).toBe(503)
    expect(JSON.parse(body)).toMatchObject({ ready: false, keys: false, broker: true })
    expect((await proxy.fetch('/healthz')).status).toBe(200)
    await issuer.resume()
    await untilReady(proxy)
    expect(await knock(proxy, token)).toBe(0)
    expect(proxy.lines('keys').map((line) => line['outcome'])).toContain('unreachable')
    expect(proxy.lines('keys').at(-1)).toMatchObject({ outcome: 'ok', keys: 1 })
  })

  test('is asked once for fifty tokens with unknown keys, then not in the cool-down', async () => {
    const { issuer, proxy } = await start()
    await untilReady(proxy)
    const stranger = await makeKey('ES256', 'stranger')
    const flood = async (size: number) => {
      const tokens = await Promise.all(
        Array.from({ length: size }, (_unused, i) =>
          issuer.mint({ key: stranger, header: { kid: `unknown-${i}` } }),
        ),
      )
      return new Set(await Promise.all(tokens.map((token) => knock(proxy, token))))
    }
    const before = issuer.requests.jwks
    const answers = await flood(50)
    expect(issuer.requests.jwks).toBe(before + 1)
    const again = await flood(10)
    expect(issuer.requests.jwks).toBe(before + 1)
    // Within the cool-down nobody can say that the key is none of the issuer's.
    expect(answers).toContain(0x86)
    for (const answer of answers) expect([0x86, 0x88]).toContain(answer)
    expect([...again]).toEqual([0x88])
    expect(await knock(proxy, await issuer.mint())).toBe(0)
    console.log(`60 tokens with unknown keys: ${issuer.requests.jwks - before} key request`)
  })

  test('brings a new key: who has it waits for one refresh and is let in; a removed key is refused', async () => {
    const { issuer, proxy } = await start()
    await untilReady(proxy)
    const before = await issuer.mint()
    expect(await knock(proxy, before)).toBe(0)
    issuer.keys = [await makeKey('EdDSA', 'second')]
    expect(await knock(proxy, await issuer.mint())).toBe(0)
    expect([0x86, 0x87]).toContain(await knock(proxy, before))
  })

  test('is not believed where its metadata names another', async () => {
    const { issuer, proxy } = await start((issuer) => {
      issuer.answers.set('/.well-known/oauth-authorization-server', (_, response) =>
        response.end(
          JSON.stringify({ issuer: 'https://x.example', jwks_uri: `${issuer.url}/keys` }),
        ),
      )
    })
    await until('a line', () => proxy.lines('keys').length > 0)
    expect(proxy.lines('keys')[0]).toMatchObject({ outcome: 'issuer_mismatch', keys: 0 })
    expect(await knock(proxy, await issuer.mint())).toBe(0x88)
    expect(issuer.requests.jwks).toBe(0)
  })

  test('and its audience are those of the settings', async () => {
    const issuer = await startIssuer('/tenant')
    open.push({ stop: () => issuer.stop() })
    const proxy = await startProxy({
      issuer: issuer.url,
      broker: broker.url,
      env: { MQTT_AUDIENCE: 'urn:mine', JWKS_URI: `${new URL(issuer.url).origin}/keys` },
    })
    open.unshift(proxy)
    await untilReady(proxy)
    expect(await knock(proxy, await issuer.mint({ claims: { aud: ['urn:mine', 'x'] } }))).toBe(0)
    expect([0x86, 0x87]).toContain(
      await knock(proxy, await issuer.mint({ claims: { aud: audience } })),
    )
    expect(issuer.requests.metadata).toBe(0)
  })
})

describe('another issuer', () => {
  test('has client ids, topics and a name at the broker of its own', async () => {
    const main = await startIssuer()
    const partner = await startIssuer()
    const place = temporaryFolder()
    const file = join(place.path, 'issuers.json')
    const entry = { issuer: partner.url, client_id_prefix: 'partner', topics: ['partner/#'] }
    writeFileSync(file, JSON.stringify([entry]))
    const proxy = await startProxy({
      issuer: main.url,
      broker: broker.url,
      env: { ISSUERS_FILE: file },
    })
    for (const { stop } of [main, partner, { stop: async () => place.remove() }])
      open.push({ stop })
    open.unshift(proxy)
    await untilReady(proxy)
    const acl = [{ permission: 'allow', action: 'all', topic: '#' }]
    const token = await partner.mint({ claims: { acl } })
    await until('its keys', async () => (await knock(proxy, token)) !== 0x88)
    expect(await knock(proxy, token)).toBe(0x85)
    expect(await knock(proxy, await main.mint({ claims: { acl } }))).toBe(0)
    const url = `mqtt://127.0.0.1:${proxy.port}`
    const session = await connect({ url, version: 5, id: 'partner::dev-1:a', token })
    expect(await session.subscribe(['partner/a', '#', 'main/a'])).toEqual([1, 0x87, 0x87])
    await session.publish('partner/a', 'on')
    await until('the message', () => session.messages.includes('partner/a on'))
    await expect(session.publish('main/a', 'on')).rejects.toThrow()
    expect(proxy.lines('session_started').at(-1)).toMatchObject({ sub: 'partner::dev-1' })
    expect(await proxy.metric('mproxy_jwks_keys', `issuer="${partner.url}"`)).toBe(1)
    // Its keys end its own sessions, and no other.
    const mine = await connect({
      url,
      version: 5,
      id: 'dev-1:a',
      token: await main.mint({ claims: { acl } }),
    })
    partner.keys = [await makeKey('ES256', 'second')]
    const next = await partner.mint({ claims: { acl } })
    expect(await knock(proxy, next, { id: 'partner::dev-1:b' })).toBe(0)
    expect(await session.untilClosed()).toBe(0x98)
    await mine.publish('x', 'y')
    mine.client.end(true)
  })
})

describe('a key that the issuer withdraws', () => {
  const anything = [{ permission: 'allow', action: 'all', topic: '#' }]

  /**
   * mProxy, and sessions on tokens of a first and of a second key; `both` are published at once. Keys
   * are read every ten seconds at most, so these tests wait beside each other, each with a broker of
   * its own.
   */
  async function startWithKeys({ onTestFinished }: TestContext, published?: 'both') {
    const stopLater = (one: { stop: () => Promise<unknown> }) =>
      onTestFinished(async () => void (await one.stop()))
    const broker = await startBroker()
    stopLater(broker)
    const issuer = await startIssuer()
    stopLater(issuer)
    const first = issuer.keys[0]!
    const second = await makeKey('ES256', 'second')
    if (published === 'both') issuer.keys = [first, second]
    const proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
    stopLater(proxy)
    await untilReady(proxy)
    const mint = (key: IssuerKey, sub: string, more = {}) =>
      issuer.mint({ key, claims: { sub, acl: anything, ...more } })
    const join = async (
      key: IssuerKey,
      sub: string,
      version: 4 | 5 = 5,
      more: Partial<ConnectOptions> = {},
    ) => {
      const url = `mqtt://127.0.0.1:${proxy.port}`
      const session = await connect({ url, version, id: sub, token: await mint(key, sub), ...more })
      stopLater({ stop: async () => session.client.end(true) })
      return session
    }
    /** A token with an unknown key id makes mProxy read the keys, every ten seconds at most. */
    const read = async () => {
      const { jwks } = issuer.requests
      await until(
        'mProxy reads the keys',
        async () => {
          await knock(proxy, await issuer.mint({ header: { kid: 'unknown' } }))
          return issuer.requests.jwks > jwks
        },
        15,
      )
    }
    return { issuer, proxy, first, second, mint, join, read }
  }

  const isAlive = async (session: Connection) => {
    await session.publish('x', 'y')
    return !session.isClosed()
  }

  test.concurrent('takes the sessions with it whose token hangs on it, without their Will, and no other', async (context) => {
    const { issuer, proxy, first, second, join, read } = await startWithKeys(context, 'both')
    const other = await join(second, 'dev-2')
    await other.subscribe(['wills'])
    const will = { topic: 'wills', payload: Buffer.from('gone'), qos: 1 as const, retain: false }
    const session = await join(first, 'dev-1', 5, { will })
    const old = await join(first, 'dev-3', 4)
    issuer.keys = [second]
    await read()
    expect(await session.untilClosed()).toBe(0x98)
    await old.untilClosed()
    await until('both lines', () => proxy.lines('session_ended').length === 2)
    expect(proxy.lines('session_ended').map((line) => line['reason'])).toEqual([
      'token_revoked',
      'token_revoked',
    ])
    expect(proxy.lines('keys_withdrawn')).toMatchObject([{ sessions: 2 }])
    expect(await isAlive(other)).toBe(true)
    expect(other.messages).toEqual([])
  })

  test.concurrent('leaves a session alone that has a token of another key since', async (context) => {
    const { issuer, proxy, first, second, mint, join, read } = await startWithKeys(context, 'both')
    const session = await join(first, 'dev-1')
    const exp = Math.floor(Date.now() / 1000) + 900
    await session.publish('$allauth/token', await mint(second, 'dev-1', { exp }))
    await until('the new token', () => proxy.lines('session_reauthenticated').length === 1)
    issuer.keys = [second]
    await read()
    expect(await isAlive(session)).toBe(true)
    issuer.keys = [await makeKey('ES256', 'third')]
    await read()
    expect(await session.untilClosed()).toBe(0x98)
  })

  test.concurrent('is no key that an outage hides: no, a bad and an empty answer end nothing', async (context) => {
    const { issuer, proxy, first, join, read } = await startWithKeys(context)
    const session = await join(first, 'dev-1')
    const outcome = (wanted: string, keys: number) =>
      until(
        wanted,
        () => {
          const line = proxy.lines('keys').at(-1)
          return line?.['outcome'] === wanted && line['keys'] === keys
        },
        15,
      )
    issuer.answers.set('/keys', (_, response) => response.end('<html>'))
    await read()
    await outcome('malformed', 1)
    issuer.answers.set('/keys', (_, response) => response.writeHead(500).end())
    await outcome('status', 1)
    await issuer.stop()
    await outcome('unreachable', 1)
    expect(await isAlive(session)).toBe(true)
    issuer.answers.set('/keys', (_, response) => response.end('{"keys":[{"kty":"oct"}]}'))
    await issuer.resume()
    await outcome('no_keys', 1)
    expect(await isAlive(session)).toBe(true)
    issuer.answers.clear()
    await read()
    await outcome('ok', 1)
    expect(await isAlive(session)).toBe(true)
  })

  test.concurrent('does not come back with an answer of an outdated cache, which ends nothing either', async (context) => {
    const { issuer, proxy, first, second, mint, join } = await startWithKeys(context)
    const session = await join(first, 'dev-1')
    issuer.keys = [second]
    const next = await join(second, 'dev-2')
    expect(await session.untilClosed()).toBe(0x98)
    issuer.keys = [first]
    const token = await mint(first, 'dev-3')
    await until(
      'the outdated answer',
      async () => {
        expect(await knock(proxy, token, { id: 'dev-3' })).not.toBe(0)
        return proxy.lines('keys').at(-1)?.['outcome'] === 'outdated'
      },
      15,
    )
    expect(await isAlive(next)).toBe(true)
  })

  test('is one that an operator revoked at the worker: its sessions end when the next device comes', async () => {
    const secret = 'ops-secret-of-at-least-32-characters-0001'
    const worker = await startWorkerOn('node', {
      clients: [
        {
          client_id: 'ops',
          client_secret: secret,
          grant_types: ['client_credentials'],
          scope: 'manage',
        },
      ],
      groups: [{ id: 'site', kind: 'site', name: 'Site' }],
      device_types: [
        {
          name: 'lamp',
          acl: [{ permission: 'allow', action: 'publish', topic: '${group.id}/${device.id}' }],
        },
      ],
      devices: [{ id: 'lamp-1', type: 'lamp', groups: ['site'] }],
    })
    open.push({ stop: worker.stop })
    const proxy = await startProxy({ issuer: worker.issuer, broker: broker.url })
    open.unshift(proxy)
    await untilReady(proxy)
    const call = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(worker.issuer + path, init)
      return (await answer.json()) as Record<string, unknown>
    }
    const bearer = async () => {
      const { access_token } = await call('/oauth/token', {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`ops:${secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
      })
      return { Authorization: `Bearer ${access_token}`, 'Content-Type': 'application/json' }
    }
    const join = async (id: string) => {
      const { access_token } = await call('/v1/devices/lamp-1/tokens', {
        method: 'POST',
        headers: await bearer(),
        body: JSON.stringify({ expires_in: 86_400 }),
      })
      const url = `mqtt://127.0.0.1:${proxy.port}`
      const session = await connect({ url, version: 5, id, token: String(access_token) })
      open.unshift({ stop: async () => session.client.end(true) })
      return session
    }
    const before = await join('lamp-1:a')
    const { items } = await call('/v1/keys', { headers: await bearer() })
    const [key] = (items as { kid: string; alg: string; status: string }[]).filter(
      ({ alg, status }) => alg === 'ES256' && status === 'current',
    )
    const revoked = await call(`/v1/keys/${key!.kid}`, {
      method: 'DELETE',
      headers: await bearer(),
    })
    expect(revoked).toMatchObject({ kid: key!.kid, successor: { status: 'current' } })
    expect(before.isClosed()).toBe(false)
    const after = await join('lamp-1:b')
    expect(await before.untilClosed()).toBe(0x98)
    await after.publish('site/lamp-1', 'on')
    expect(after.isClosed()).toBe(false)
  })
})
