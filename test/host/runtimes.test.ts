// The same suite against the worker on Node, Deno, Bun and workerd, each a real program of its own.
import { connect } from 'node:net'
import { exportSPKI, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODES, codeAt, KEY } from '../identity/authenticator.ts'
import { optionsOf, SoftwareAuthenticator } from '../identity/passkeys/software_authenticator.ts'
import {
  claimsOf,
  codeFlow,
  deviceToken,
  discover,
  evaluate,
  FormBrowser,
  makeBlueprint,
  OPS_SECRET,
  operatorToken,
  PASSWORD,
  refresh,
} from './black_box.ts'
import { readMails } from './operator_mails.ts'
import { RUNTIMES, type RunningWorker, startWorkerOn } from './programs.ts'

const PLACES = [
  ...RUNTIMES.map((runtime) => [runtime, ''] as const),
  ['node', '/auth/eu'],
  ['workerd', '/auth'],
] as const

describe.each(PLACES)('on %s, below the path "%s"', (runtime, path) => {
  let worker: RunningWorker
  let deviceKey: CryptoKey
  let pemKey: CryptoKey

  beforeAll(async () => {
    const made = await makeBlueprint()
    deviceKey = made.deviceKey
    const cleo = { email: 'cleo@example.com', password: PASSWORD }
    const inPem = await generateKeyPair('ES256', { extractable: true })
    pemKey = inPem.privateKey
    const pem = await exportSPKI(inPem.publicKey)
    const lamp = { id: 'dim-0043', type: 'dimmer', credentials: [{ kind: 'pem', pem }] }
    const blueprint = {
      ...made.blueprint,
      users: [...made.blueprint.users, cleo],
      devices: [...made.blueprint.devices, lamp],
    }
    worker = await startWorkerOn(runtime, blueprint, {}, undefined, path)
  }, 90_000)
  afterAll(() => worker?.stop())

  test('it is this runtime that answers', async () => {
    const answer = await fetch(`${worker.issuer}/healthz`)
    expect(await answer.json()).toEqual({ status: 'ok', runtime })
    expect((await fetch(`${worker.issuer}/readyz`)).status).toBe(200)
  })

  test('a Host that is none is refused, whatever path it has in it', async () => {
    const { port } = new URL(worker.issuer)
    /** The status line, or '' where the connection is closed without one. */
    const statusFor = (host: string) =>
      new Promise<string>((done) => {
        let text = ''
        const socket = connect(Number(port), '127.0.0.1', () => {
          socket.write(`GET /nowhere HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        })
        socket.setTimeout(10_000, () => socket.destroy())
        socket.on('data', (chunk) => {
          text += chunk.toString('latin1')
        })
        socket.once('error', () => {})
        socket.once('close', () => done(text.split('\r\n')[0] ?? ''))
      })
    // In front of workerd stands the proxy of `wrangler dev`, which makes a new request of it before
    // the worker sees any; in production it is Cloudflare's, which refuses such hosts.
    const wrong = runtime === 'workerd' ? [] : ['x/healthz?', 'x/healthz#', 'a b', 'u@x', 'x:y', '']
    for (const host of wrong) {
      expect([host, await statusFor(host)]).toEqual([
        host,
        expect.stringMatching(/^(HTTP\/1.1 400|$)/),
      ])
    }
    expect(await statusFor(`127.0.0.1:${port}`)).toMatch(/^HTTP\/1.1 404/)
    const healthy = await fetch(`${worker.issuer}/healthz`, { method: 'OPTIONS' })
    expect(healthy.status).toBe(200)
  })

  test('discovery names the issuer and its endpoints', async () => {
    const as = await discover(worker.issuer)
    expect(as.issuer).toBe(worker.issuer)
    expect(as.code_challenge_methods_supported).toEqual(['S256'])
  })

  test('a person signs in with a non-ASCII password, allows, and gets tokens; a refresh rotates them', async () => {
    const as = await discover(worker.issuer)
    const { tokens } = await codeFlow(as, 'openid email offline_access mqtt')
    const claims = claimsOf(tokens.access_token)
    expect(claims['aud']).toEqual(['urn:allauth:mqtt', worker.issuer])
    expect(claims['acl']).toContainEqual({
      permission: 'allow',
      action: 'subscribe',
      topic: 'sites/site-12/devices/+/state',
    })
    const next = await refresh(as, tokens.refresh_token ?? '')
    expect(next.refresh_token).not.toBe(tokens.refresh_token)
    const third = await refresh(as, next.refresh_token ?? '')
    expect(third.access_token).toBeTruthy()
    await expect(refresh(as, tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    await expect(refresh(as, third.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  test('a person adds an authenticator app, and signs in with it and with a recovery code', async () => {
    const { issuer } = worker
    const typed = { username: 'bea@example.com', password: PASSWORD, action: 'login' }
    const signIn = async (browser: FormBrowser) =>
      browser.submit(await browser.follow(`${issuer}/login`), typed)
    const first = new FormBrowser()
    expect((await signIn(first)).url.href).toBe(`${issuer}/account`)
    const offered = await first.follow(`${issuer}/account/security/add`)
    const key = KEY.exec(offered.html ?? '')?.[1] ?? ''
    const code = await codeAt(key, Date.now() / 1000)
    const added = await first.submit(offered, { code, name: 'Phone', action: 'add' })
    const codes = [...(added.html ?? '').matchAll(CODES)].map(([, one]) => one ?? '')
    expect(codes).toHaveLength(10)
    // The next code counts already, that of now was used.
    for (const one of [await codeAt(key, Date.now() / 1000 + 30), codes[0] ?? '']) {
      const browser = new FormBrowser()
      const page = await signIn(browser)
      expect(page.url.href).toBe(`${issuer}/login/verify`)
      expect((await browser.open(`${issuer}/account`)).status).toBe(303)
      expect((await browser.submit(page, { code, action: 'verify' })).html).toContain(
        'role="alert"',
      )
      const done = await browser.submit(page, { code: one, action: 'verify' })
      expect(done.url.href).toBe(`${issuer}/account`)
    }
  })

  test('a person adds passkeys of each algorithm, and signs in by each alone', async () => {
    const { issuer } = worker
    const browser = new FormBrowser()
    const typed = { username: 'cleo@example.com', password: PASSWORD, action: 'login' }
    await browser.submit(await browser.follow(`${issuer}/login`), typed)
    for (const algorithm of ['ES256', 'Ed25519', 'RS256'] as const) {
      const { origin } = new URL(issuer)
      const authenticator = await SoftwareAuthenticator.make({ algorithm, origin })
      const offered = await browser.follow(`${issuer}/account/security/passkey`)
      const made = await authenticator.create(optionsOf(offered))
      const added = await browser.submit(offered, { passkey: JSON.stringify(made) })
      expect(added.html, algorithm).not.toContain('role="alert" id="alert"')
      browser.cookies.clear()
      const login = await browser.follow(`${issuer}/login`)
      const used = JSON.stringify(await authenticator.get(optionsOf(login)))
      const done = await browser.submit(login, { passkey: used })
      expect(done.url.href, algorithm).toBe(`${issuer}/account`)
      const again = new FormBrowser()
      const other = await again.follow(`${issuer}/login`)
      expect((await again.submit(other, { passkey: used })).html).toContain('role="alert"')
    }
  })

  test('a required text is asked for between sign-in and code, once for each version', async () => {
    const as = await discover(worker.issuer)
    const { access_token } = await operatorToken(as, 'settings:read settings:write')
    const call = async (path: string, body?: object) => {
      const answer = await fetch(`${worker.issuer}/v1/consents${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: answer.status, body: (await answer.json()) as { accepted?: unknown } }
    }
    const version = (name: string) => ({
      version: name,
      texts: { en: { title: 'Terms', text: `Version ${name}.` } },
    })
    const made = await call('', { key: 'terms', required: true, versions: [version('1')] })
    expect(made.status).toBe(201)
    expect((await codeFlow(as, 'openid')).accepted).toBe(1)
    expect((await codeFlow(as, 'openid')).accepted).toBe(0)
    expect((await call('/terms/versions', version('2'))).status).toBe(201)
    expect((await codeFlow(as, 'openid')).accepted).toBe(1)
    expect((await call('/terms/coverage')).body.accepted).toEqual([
      { version: '1', people: 0 },
      { version: '2', people: 1 },
    ])
  })

  test('a person signs up by the mailed link, decides about the text, and signs in', async () => {
    const { issuer } = worker
    const as = await discover(issuer)
    const { access_token } = await operatorToken(as)
    const call = (method: string, path: string, body: object) =>
      fetch(`${issuer}/v1/${path}`, {
        method,
        headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    expect((await call('PATCH', 'settings', { sign_up: 'open' })).status).toBe(200)
    const texts = { en: { title: 'House rules', text: 'Close the door.' } }
    const rules = { key: 'rules', required: true, versions: [{ version: '1', texts }] }
    expect((await call('POST', 'consents', rules)).status).toBe(201)

    const email = 'dora@example.com'
    const asking = new FormBrowser()
    const form = await asking.follow(`${issuer}/sign-up?return_to=%2Faccount%2Fconsents`)
    await asking.submit(form, { email, action: 'send' })
    const mails = await readMails(issuer, OPS_SECRET)
    const mail = mails.find(({ kind, address }) => kind === 'sign_up' && address === email)
    const link = /http\S+token=\S+/.exec(mail?.text ?? '')?.[0] ?? ''
    expect(link.startsWith(`${issuer}/sign-up/confirm?token=`)).toBe(true)

    const browser = new FormBrowser()
    const account = await browser.follow(link)
    const short = await browser.submit(account, { password: 'short', action: 'create' })
    expect(short.html).toContain('role="alert"')
    const typed = { name: 'Dora', password: PASSWORD, action: 'create' }
    const unaccepted = await browser.submit(account, typed)
    expect(unaccepted.html).toContain('role="alert"')
    const boxes = [
      ...(account.html ?? '').matchAll(/name="(accept[^"]*)" type="checkbox" value="([^"]*)"/g),
    ].map(([, name = '', value = '']) => [name, value] as const)
    expect(boxes).toHaveLength(2) // the terms of the test before, and the rules
    const page = await browser.submit(account, { ...typed, ...Object.fromEntries(boxes) })
    expect(page.url.href).toBe(`${issuer}/account/consents`)

    const again = new FormBrowser()
    const login = await again.follow(`${issuer}/login`)
    const signIn = { username: email, password: PASSWORD, action: 'login' }
    expect((await again.submit(login, signIn)).url.href).toBe(`${issuer}/account`)
    // The link made one account, and is of no more use.
    const once = await new FormBrowser().open(link)
    expect(once.status).toBe(403)
  })

  test('a device gets a token by its own key, and with another key none', async () => {
    const as = await discover(worker.issuer)
    const { access_token } = await deviceToken(as, 'dim-0042', deviceKey)
    expect(claimsOf(access_token)).toMatchObject({
      sub: 'dim-0042',
      aud: 'urn:allauth:mqtt',
      acl: [
        { permission: 'allow', action: 'publish', topic: 'sites/site-12/devices/dim-0042/state' },
      ],
    })
    const { deviceKey: stranger } = await makeBlueprint()
    await expect(deviceToken(as, 'dim-0042', stranger)).rejects.toMatchObject({
      error: 'invalid_client',
    })
  })

  test('a device that was registered by PEM gets a token by its key', async () => {
    const as = await discover(worker.issuer)
    const { access_token } = await deviceToken(as, 'dim-0043', pemKey)
    expect(claimsOf(access_token)).toMatchObject({ sub: 'dim-0043' })
    await expect(deviceToken(as, 'dim-0043', deviceKey)).rejects.toMatchObject({
      error: 'invalid_client',
    })
  })

  test('access decisions follow the grants, and need a token', async () => {
    const as = await discover(worker.issuer)
    const { access_token } = await operatorToken(as)
    const { items } = (await (
      await fetch(`${worker.issuer}/v1/users`, {
        headers: { authorization: `Bearer ${access_token}` },
      })
    ).json()) as { items: { id: string; email: string }[] }
    const ann = items.find((user) => user.email === 'ann@example.com')
    const question = (name: string) => ({
      subject: { type: 'user', id: ann?.id },
      action: { name },
      resource: { type: 'device', id: 'dim-0042' },
    })
    const ask = (name: string) => evaluate(worker.issuer, access_token, question(name))
    expect((await ask('device:read')).body.decision).toBe(true)
    expect((await ask('device:delete')).body.decision).toBe(false)
    expect((await evaluate(worker.issuer, 'x', question('device:read'))).status).toBe(401)
  })
})

describe('on workerd under load', () => {
  let worker: RunningWorker

  beforeAll(async () => {
    const { blueprint } = await makeBlueprint()
    worker = await startWorkerOn('workerd', blueprint)
  }, 90_000)
  afterAll(() => worker?.stop())

  test('2,000 requests at 64 connections with clients that go away in mid-flight: none hangs', async () => {
    const TOTAL = 2000
    const CONNECTIONS = 64
    const as = await discover(worker.issuer)
    const endpoint = new URL(as.token_endpoint ?? '')
    const body = 'grant_type=client_credentials&scope=devices%3Aread'
    const secret = btoa('ops:ops-secret-of-at-least-32-characters-0001')
    let sent = 0
    let left = 0
    let good = 0
    const bad: string[] = []
    const one = async (number: number) => {
      if (number % 7 === 0) {
        // Writes the request and goes away without reading the answer.
        await new Promise<void>((done) => {
          const socket = connect(Number(endpoint.port), '127.0.0.1', () => {
            socket.write(
              `POST ${endpoint.pathname} HTTP/1.1\r\nHost: ${endpoint.host}\r\nAuthorization: Basic ${secret}\r\n` +
                `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
              () => setTimeout(() => socket.destroy(), number % 5),
            )
          })
          socket.once('close', () => done())
          socket.once('error', () => done())
        })
        left++
        return
      }
      const answer = await fetch(endpoint, {
        method: 'POST',
        headers: {
          authorization: `Basic ${secret}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body,
        signal: AbortSignal.timeout(20_000),
      }).catch((error: unknown) => String(error))
      if (typeof answer === 'string') bad.push(answer)
      else if (answer.status === 200) good++
      else bad.push(`${answer.status} ${await answer.text()}`)
      if (typeof answer !== 'string') await answer.body?.cancel().catch(() => {})
    }
    const runner = async () => {
      while (sent < TOTAL) await one(++sent)
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, runner))
    console.log(
      `workerd: ${TOTAL} requests at ${CONNECTIONS} connections: ${good} answered, ${left} went away, ${bad.length} failed`,
    )
    expect(bad).toEqual([])
    expect(good + left).toBe(TOTAL)
    expect((await fetch(`${worker.issuer}/readyz`)).status).toBe(200)
  }, 120_000)
})
