// Mails of a running worker: a link to a new password that goes over SMTP on each runtime, a process
// that is killed before it sends, the console of `npm start`, and the commands about mails.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { RUNTIMES, type RunningWorker, run, runCli, startWorkerOn } from './programs.ts'
import { SMTP_PASSWORD, startSmtpServer } from './smtp_server.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const BLUEPRINT = {
  clients: [
    {
      client_id: 'ops',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
  users: [
    { id: 'ann', email: 'ann@example.com', email_verified: true, name: 'Ännchen' },
    { id: 'bea', email: 'bea@example.com' },
  ],
}

async function manage({ issuer }: { issuer: string }) {
  const answer = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  const { access_token } = (await answer.json()) as { access_token: string }
  return async (method: string, path: string, body?: object) => {
    const response = await fetch(issuer + path, {
      method,
      headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return (await response.json()) as Record<string, unknown> & { items: Record<string, unknown>[] }
  }
}

const reset = async (worker: RunningWorker, user = 'ann') =>
  (await manage(worker))('POST', `/v1/users/${user}/reset`, { send: true })

const LOGIN = `someone:${encodeURIComponent(SMTP_PASSWORD)}@`

describe.each(RUNTIMES)('on %s', (runtime) => {
  test('a link goes over SMTP with a login, and opens the page of a new password', async () => {
    // Local workerd trusts no certificate that a test could make.
    const isWorkerd = runtime === 'workerd'
    const smtp = await startSmtpServer(
      isWorkerd ? { auth: 'plain' } : { tls: 'starttls', auth: 'auth' },
    )
    const EMAIL_URL = `smtp://${LOGIN}localhost:${smtp.port}`
    const worker = await startWorkerOn(runtime, BLUEPRINT, { EMAIL_URL })
    try {
      expect(await reset(worker)).toMatchObject({ url: null, mail_id: expect.any(String) })
      const [mail] = await smtp.mails(1)
      expect(mail, worker.output()).toMatchObject({
        rcpt_tos: ['ann@example.com'],
        tls: !isWorkerd,
        login: 'someone',
      })
      expect(new Map(mail!.headers).get('To')).toBe('Ännchen <ann@example.com>')
      const link = /http:\S+/.exec(mail?.parts['text/plain'] ?? '')?.[0] ?? ''
      expect(link).toContain(`${worker.issuer}/recover/password?token=`)
      expect((await fetch(link)).status).toBe(200)
      expect(worker.output()).not.toContain(new URL(link).searchParams.get('token'))
    } finally {
      await worker.stop()
      await smtp.stop()
    }
  }, 90_000)
})

test('over TLS at once, with a certificate that the process trusts', async () => {
  const smtp = await startSmtpServer({ tls: 'implicit', auth: 'plain' })
  const worker = await startWorkerOn('node', BLUEPRINT, {
    EMAIL_URL: `smtps://${LOGIN}localhost:${smtp.port}`,
    NODE_EXTRA_CA_CERTS: smtp.certificate,
  })
  try {
    await reset(worker)
    expect(await smtp.mails(1)).toMatchObject([{ tls: true, login: 'someone' }])
  } finally {
    await worker.stop()
    await smtp.stop()
  }
})

test('a process that is killed between batch and sending: the mail goes after the restart, once', async () => {
  const port = await findFreePort()
  const folder = temporaryFolder()
  const EMAIL_URL = `smtp://localhost:${port}`
  // A server that accepts and says nothing: the mail is taken by the process, and not sent.
  const silent = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((done) => silent.listen(port, done))
  const env = {
    EMAIL_URL,
    DATABASE_URL: `file:${join(folder.path, 'allauth.db')}`,
    SECRET_KEY: Buffer.alloc(32, 7).toString('base64url'),
  }
  const first = await startWorkerOn('node', BLUEPRINT, env)
  await reset(first)
  first.process.kill('SIGKILL')
  await first.exit
  await first.stop()
  silent.close()
  const smtp = await startSmtpServer({ port })
  const database = await openEmbeddedDatabase(env.DATABASE_URL)
  try {
    // The minutes until the next attempt, and the lease of the timer, are over.
    await database.write([sql`update delivery set next_at = 0`, sql`delete from lease`])
  } finally {
    await database.close()
  }
  const second = await startWorkerOn('node', BLUEPRINT, env)
  try {
    // The next sending takes all that is due, as the timer does each minute.
    await reset(second, 'bea')
    const mails = await smtp.mails(2)
    expect(mails.map(({ rcpt_tos }) => rcpt_tos[0]).sort()).toEqual([
      'ann@example.com',
      'bea@example.com',
    ])
    await reset(second, 'bea')
    expect(await smtp.mails(3)).toHaveLength(3)
  } finally {
    await second.stop()
    await smtp.stop()
    folder.remove()
  }
}, 90_000)

describe('the commands', () => {
  let folder: ReturnType<typeof temporaryFolder>
  beforeAll(() => {
    folder = temporaryFolder()
  })
  afterAll(() => folder.remove())

  test('mail preview prints subject, text and HTML, and names what it does not know', async () => {
    const { code, output } = await runCli(
      ['mail', 'preview', 'sign_in_code', '--locale', 'en'],
      folder.path,
    )
    expect(code, output).toBe(0)
    expect(output).toMatch(/^Subject: Your code for localhost:8787$/m)
    expect(output).toContain('492 817')
    expect(output).toContain('<!doctype html>')
    const unknown = await runCli(['mail', 'preview', 'birthday'], folder.path)
    expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('recovery')])
    const nobody = await runCli(
      ['mail', 'preview', 'recovery', '--user', 'x@example.com'],
      folder.path,
    )
    expect([nobody.code, nobody.output]).toEqual([2, expect.stringContaining('no user')])
  })

  test('a layout of the deployment counts, and all its faults are told with those of the environment', async () => {
    const file = join(folder.path, 'mail.html')
    const preview = (env: Record<string, string>) =>
      runCli(['mail', 'preview', 'recovery'], folder.path, { EMAIL_LAYOUT: 'mail.html', ...env })
    writeFileSync(file, '<h1>{{heading}}</h1>{{parts}}<p>our own foot: {{foot}}</p>')
    const good = await preview({})
    expect([good.code, good.output]).toEqual([0, expect.stringContaining('our own foot: This')])
    writeFileSync(file, '<script>1</script><h1 title="{{heading}}"></h1>{{parts}}')
    const bad = await preview({ EMAIL_URL: 'smtp://u:hunter2@h:465' })
    expect(bad.code).toBe(2)
    for (const words of ['EMAIL_URL', 'element script', '{{foot}}', 'within an element']) {
      expect(bad.output).toContain(words)
    }
    expect(bad.output).not.toContain('hunter2')
    const missing = await preview({ EMAIL_LAYOUT: 'nowhere.html' })
    expect([missing.code, missing.output]).toEqual([2, expect.stringContaining('nowhere.html')])
  })

  test('mail test sends one and says the answer; the password is nowhere', async () => {
    const smtp = await startSmtpServer({ auth: 'plain' })
    const test = (user: string, address = 'ann@example.com') =>
      runCli(['mail', 'test', address], folder.path, {
        EMAIL_URL: `smtp://${user}localhost:${smtp.port}`,
        EMAIL_FROM: 'Zażółć <home@example.com>',
      })
    try {
      const sent = await test(LOGIN)
      expect([sent.code, sent.output]).toEqual([0, expect.stringContaining('2.0.0 taken')])
      const [mail] = await smtp.mails(1)
      expect(new Map(mail!.headers).get('From')).toBe('Zażółć <home@example.com>')
      const wrong = await test('someone:hunter2@')
      expect([wrong.code, wrong.output]).toEqual([1, expect.stringContaining('login_refused')])
      expect(wrong.output).not.toContain('hunter2')
      const refused = await test(LOGIN, 'nobody@example.com')
      expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('5.1.1')])
    } finally {
      await smtp.stop()
    }
    const nowhere = await runCli(['mail', 'test', 'ann@example.com'], folder.path)
    expect([nowhere.code, nowhere.output]).toEqual([2, expect.stringContaining('EMAIL_URL')])
  })
})

describe('the console', () => {
  test.each([
    ['npm start on this machine', 'start.ts', {}, true],
    ['npm start of another issuer', 'start.ts', { ISSUER: 'https://id.example.com' }, false],
    ['the worker alone', 'node.ts', {}, false],
  ])(
    '%s',
    async (_, file, env, isPrinted) => {
      const folder = temporaryFolder()
      const [port, mqtt, metrics] = [
        await findFreePort(),
        await findFreePort(),
        await findFreePort(),
      ]
      const settings = {
        PORT: String(port),
        MQTT_LISTEN: `mqtt://127.0.0.1:${mqtt}`,
        METRICS_LISTEN: `127.0.0.1:${metrics}`,
        ADMIN_EMAIL: 'operator@example.com',
        ADMIN_PASSWORD: 'correct horse battery staple',
        ...env,
      }
      const program = run(process.execPath, [join(ROOT, 'worker/entry', file)], {
        cwd: folder.path,
        env: settings,
      })
      try {
        await program.printed(/AllAuth is running|listens on/, 60)
        const blueprint = join(folder.path, 'ops.json')
        writeFileSync(blueprint, JSON.stringify(BLUEPRINT))
        const applied = await runCli(['apply', blueprint], folder.path, settings)
        expect(applied.code, applied.output).toBe(0)
        // Reached by its port, whatever the issuer is.
        const call = await manage({ issuer: `http://localhost:${port}` })
        const made = await call('POST', '/v1/users/bea/reset', { send: true })
        const mail = await call('GET', `/v1/outbox/${made['mail_id']}`)
        const { text } = mail['content'] as { text: string }
        const token = /token=([\w-]+)/.exec(text)?.[1] ?? ''
        expect(token).toMatch(/^[\w-]{43}$/)
        if (isPrinted) {
          await program.printed(/Mail to bea@example\.com: Set a new password/)
          await program.printed(new RegExp(token))
        } else {
          await new Promise((done) => setTimeout(done, 500))
          expect(program.output()).not.toContain(token)
        }
      } finally {
        await program.stop()
        folder.remove()
      }
    },
    90_000,
  )
})

test('nodemailer is read with the first mail, and is in no bundle of the worker', () => {
  const text = readFileSync(join(ROOT, 'worker/entry/mail_transports/node_smtp.ts'), 'utf8')
  expect(text).not.toMatch(/^import .*nodemailer/m)
})
