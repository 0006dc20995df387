// The outbox over /v1: what each operator sees of a mail, who reads its text, reports about
// addresses, samples, and the link to a new password that is mailed and not answered.
import { describe, expect, test } from 'vitest'
import { createGrant } from '../../worker/access/grants.ts'
import { sql } from '../../worker/db/sql.ts'
import { createUser } from '../../worker/identity/users.ts'
import { MAIL_KIND_NAMES } from '../../worker/mail/mail_kinds.ts'
import type { MailOutcome } from '../../worker/mail/outgoing.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { LINK, note, outbox, outboxRow, recoveryMail, SMTP, send } from '../support/mails.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { Browser } from './browser.ts'
import { eventsOf, startWithAnn } from './people.ts'

const linkIn = (text: unknown): string => /http:\S+/.exec(String(text))?.[0] ?? ''
const mailEvents = async (worker: TestWorker) =>
  (await eventsOf(worker)).filter(({ type }) => type.startsWith('mail'))

describe('the outbox', () => {
  test('lists mails with kind, address, state, attempts, times and fault, and never the link', async () => {
    const { worker } = await startWithAnn(SMTP)
    worker.post.answer = (): MailOutcome => ({ outcome: 'again', reason: 'smtp_451', answer: '' })
    const id = await note(worker)
    await send(worker)
    const manage = await newClientToken(worker)
    const list = await callApi(worker, manage, 'GET', '/v1/outbox')
    const mail = {
      id,
      kind: 'recovery',
      user_id: 'ann',
      address: ANN,
      locale: null,
      state: 'waiting',
      attempts: 1,
      fault: 'smtp_451',
      created_at: worker.clock.now,
      next_at: worker.clock.now + 60,
      settled_at: null,
      expires_at: worker.clock.now + 3600,
    }
    expect(list).toMatchObject({ status: 200, body: { items: [mail], next_cursor: null } })
    expect(list.body.items).toEqual([mail])
    const whole = await callApi(worker, manage, 'GET', `/v1/outbox/${id}`)
    expect(whole.body).toEqual({ ...mail, content: null })
    expect(JSON.stringify([list.body, whole.body])).not.toContain('the-secret')
    expect(await mailEvents(worker)).toEqual([])
  })

  test('is filtered, and comes in pages, the newest first', async () => {
    const { worker } = await startWithAnn({})
    const ids = [await note(worker), await note(worker)]
    const to = { address: 'Bea@Example.com', name: null }
    const other = await note(
      worker,
      recoveryMail(worker, { kind: 'sign_in_code', values: { code: '1', valid_for: 1 }, to }),
    )
    await send(worker)
    const waiting = await note(worker)
    const token = await newClientToken(worker, 'users:read')
    const at = async (query: string) =>
      (await callApi(worker, token, 'GET', `/v1/outbox${query}`)).body
    const idsAt = async (query: string) => (await at(query)).items.map((one) => one['id'])
    expect(await idsAt('')).toEqual([...ids, other, waiting].sort().reverse())
    expect(await idsAt('?state=waiting')).toEqual([waiting])
    expect(await idsAt('?kind=sign_in_code')).toEqual([other])
    expect(await idsAt('?address=bea@example.com')).toEqual([other])
    expect((await idsAt('?user_id=ann')).sort()).toEqual([...ids, waiting].sort())
    const first = await at('?limit=3')
    const second = await at(`?limit=3&cursor=${first['next_cursor']}`)
    expect([...first.items, ...second.items].map((one) => one['id'])).toEqual(await idsAt(''))
    expect(second['next_cursor']).toBeNull()
    const unknown = await callApi(worker, token, 'GET', '/v1/outbox/mail_unknown')
    expect(unknown.status).toBe(404)
  })
})

describe('the text of a mail', () => {
  test('is read with manage where EMAIL_URL is outbox:, and each reading is an event', async () => {
    const { worker } = await startWithAnn({})
    const id = await note(worker)
    await send(worker)
    const manage = await newClientToken(worker)
    for (let i = 0; i < 2; i++) {
      const { body } = await callApi(worker, manage, 'GET', `/v1/outbox/${id}`)
      expect(body['content']).toMatchObject({
        subject: 'Set a new password for localhost:8787',
        text: expect.stringContaining(LINK),
        html: expect.stringContaining('the-secret-of-the-link'),
      })
    }
    const events = await mailEvents(worker)
    expect(events.map(({ type, subject_id }) => [type, subject_id])).toEqual([
      ['mail.read', 'ann'],
      ['mail.read', 'ann'],
    ])
    expect(JSON.stringify(events)).not.toContain('the-secret')
    const found = await callApi(worker, manage, 'GET', `/v1/events?object_kind=mail&object=${id}`)
    expect(found.body.items).toHaveLength(2)
  })

  test('is not read with less than manage', async () => {
    const { worker } = await startWithAnn({})
    const id = await note(worker)
    await send(worker)
    const token = await newClientToken(worker, 'users:read users:write events:read settings:write')
    const { status, body } = await callApi(worker, token, 'GET', `/v1/outbox/${id}`)
    expect([status, body['content']]).toEqual([200, null])
    const none = await newClientToken(worker, 'events:read')
    expect((await callApi(worker, none, 'GET', `/v1/outbox/${id}`)).status).toBe(403)
    expect(await mailEvents(worker)).toEqual([])
  })

  test('is not read by a person whose manage ends: the link would outlast it', async () => {
    const { worker } = await startWithAnn({})
    const id = await note(worker)
    const cx = worker.context()
    await createUser(cx, { id: 'temp', email: 'temp@example.com' })
    const grant = { subject: 'temp', role: 'operator', object: '*' }
    await createGrant(cx, { ...grant, expires_at: worker.clock.now + 600 })
    const { readMail } = await import('../../worker/identity/mail/mail_reading.ts')
    const actor = { kind: 'user' as const, id: 'temp', scopes: new Set(['manage']) }
    expect(await readMail(worker.context(actor), id)).toMatchObject({ content: null })
    await createUser(cx, { id: 'boss', email: 'boss@example.com' })
    await createGrant(cx, { ...grant, subject: 'boss' })
    const boss = await readMail(worker.context({ ...actor, id: 'boss' }), id)
    expect(boss.content).not.toBeNull()
    const forBoth = { ...actor, id: 'boss', acting: ['temp'] }
    expect(await readMail(worker.context(forBoth), id)).toMatchObject({ content: null })
  })

  test('is not read where mails are sent, though one waits', async () => {
    const { worker } = await startWithAnn(SMTP)
    const id = await note(worker)
    const manage = await newClientToken(worker)
    const { body } = await callApi(worker, manage, 'GET', `/v1/outbox/${id}`)
    expect(body['content']).toBeNull()
  })

  test('is gone once the link in it was used or has run out', async () => {
    const { worker } = await startWithAnn({})
    const id = await note(worker)
    await send(worker)
    worker.clock.now += 3600
    const manage = await newClientToken(worker)
    const { body } = await callApi(worker, manage, 'GET', `/v1/outbox/${id}`)
    expect(body['content']).toBeNull()
  })
})

describe('a link to a new password that is mailed', () => {
  const reset = (worker: TestWorker, token: string, body: object = { send: true }) =>
    callApi(worker, token, 'POST', '/v1/users/ann/reset', body)

  test('reaches the person and not the operator', async () => {
    const { worker } = await startWithAnn(SMTP)
    const operator = await newClientToken(worker, 'users:write')
    const made = await reset(worker, operator)
    await worker.settled()
    expect(made.status).toBe(201)
    expect(made.body).toEqual({
      url: null,
      mail_id: expect.stringMatching(/^mail_/),
      expires_at: worker.clock.now + 3600,
    })
    const [mail] = worker.post.sent
    expect(worker.post.sent).toHaveLength(1)
    expect(mail?.to).toEqual({ address: ANN, name: '' })
    const url = new URL(linkIn(mail?.text))
    expect(url.origin).toBe(worker.config.issuer)
    const browser = new Browser(worker)
    const page = await browser.get(url.pathname + url.search)
    const password = 'seven brown horses jump over fences'
    expect((await browser.submit(page, { password, action: 'save' })).status).toBe(303)
    expect((await new Browser(worker).signIn(ANN, password)).status).toBe(303)
    const stored = await worker.context().db.read({
      mail: sql`select * from mail`,
      delivery: sql`select * from delivery`,
      event: sql`select * from event`,
    })
    const token = url.searchParams.get('token') ?? ''
    expect(JSON.stringify([stored, worker.log, made.body])).not.toContain(token)
  })

  test('without send the link is answered, and no mail is noted', async () => {
    const { worker } = await startWithAnn(SMTP)
    const operator = await newClientToken(worker)
    for (const body of [{}, { send: false }]) {
      const made = await reset(worker, operator, body)
      expect(made.body).toMatchObject({ url: expect.stringContaining('token='), mail_id: null })
    }
    expect(await outbox(worker)).toEqual([])
    expect((await reset(worker, operator, { sent: true })).status).toBe(400)
  })

  test('is erased from the outbox once it is used, or another took its place', async () => {
    const { worker } = await startWithAnn({})
    const operator = await newClientToken(worker)
    const mailId = async () => String((await reset(worker, operator)).body['mail_id'])
    const first = await mailId()
    await worker.settled()
    const second = await mailId()
    await worker.settled()
    expect(await outboxRow(worker, first)).toMatchObject({ secrets: null })
    const { body } = await callApi(worker, operator, 'GET', `/v1/outbox/${second}`)
    const url = new URL(linkIn((body['content'] as { text: string }).text))
    const browser = new Browser(worker)
    const page = await browser.get(url.pathname + url.search)
    expect(page.status).toBe(200)
    expect(await outboxRow(worker, second)).toMatchObject({ secrets: expect.any(String) })
    await browser.submit(page, { password: `${PASSWORD} again`, action: 'save' })
    expect(await outboxRow(worker, second)).toMatchObject({ secrets: null, state: 'kept' })
    const after = await callApi(worker, operator, 'GET', `/v1/outbox/${second}`)
    expect(after.body['content']).toBeNull()
  })

  test('a mail that waits is not sent after another link took its place', async () => {
    const { worker } = await startWithAnn(SMTP)
    const operator = await newClientToken(worker)
    worker.post.answer = (): MailOutcome => ({ outcome: 'again', reason: 'timeout', answer: '' })
    await reset(worker, operator)
    await worker.settled()
    worker.post.answer = () => ({ outcome: 'sent', answer: '' })
    worker.post.sent.length = 0
    worker.clock.now += 120
    await reset(worker, operator)
    await worker.settled()
    expect(worker.post.sent).toHaveLength(1)
    expect((await outbox(worker)).map(({ state }) => state).sort()).toEqual(['sent', 'withdrawn'])
  })

  test('is not mailed for a person who holds more than the actor', async () => {
    const { worker } = await startWithAnn(SMTP)
    await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
    const operator = await newClientToken(worker, 'users:write')
    expect(await reset(worker, operator)).toMatchObject({ status: 403 })
    await worker.settled()
    expect([await outbox(worker), worker.post.sent]).toEqual([[], []])
    const nobody = await callApi(worker, operator, 'POST', '/v1/users/nobody/reset', { send: true })
    expect(nobody.status).toBe(404)
    expect(await outbox(worker)).toEqual([])
  })
})

describe('reports', () => {
  test('mark an address, whose mails are suppressed and seen as such, until the mark is cleared', async () => {
    const { worker } = await startWithAnn(SMTP)
    const adapter = await newClientToken(worker, 'events:write')
    const report = { address: 'ANN@example.com', reason: 'bounce', detail: 'mailbox unknown' }
    const marked = await callApi(worker, adapter, 'POST', '/v1/outbox/reports', report)
    expect(marked).toMatchObject({
      status: 201,
      body: { ...report, reported_at: worker.clock.now },
    })
    const id = await note(worker)
    await send(worker)
    expect(worker.post.sent).toEqual([])
    const operator = await newClientToken(worker, 'users:read users:write')
    const seen = await callApi(worker, operator, 'GET', '/v1/outbox?state=suppressed')
    expect(seen.body.items).toMatchObject([{ id, fault: 'address_undeliverable' }])
    const list = () => callApi(worker, operator, 'GET', '/v1/outbox/undeliverable')
    expect((await list()).body.items).toEqual([marked.body])
    const path = `/v1/outbox/undeliverable/${encodeURIComponent('ann@EXAMPLE.com')}`
    expect((await callApi(worker, operator, 'DELETE', path)).status).toBe(204)
    expect((await callApi(worker, operator, 'DELETE', path)).status).toBe(404)
    expect((await list()).body.items).toEqual([])
    await note(worker)
    await send(worker)
    expect(worker.post.sent).toHaveLength(1)
    const events = await mailEvents(worker)
    expect(events.map(({ type, subject_id }) => [type, subject_id])).toEqual([
      ['mail_address.marked', 'ann'],
      ['mail.suppressed', 'ann'],
      ['mail_address.cleared', 'ann'],
      ['mail.sent', 'ann'],
    ])
    expect(JSON.stringify(events).toLowerCase()).not.toContain('ann@example.com')
  })

  test('an adapter clears nothing and reads nothing, and a report needs its own scope', async () => {
    const { worker } = await startWithAnn(SMTP)
    const adapter = await newClientToken(worker, 'events:write')
    const other = await newClientToken(worker, 'users:read users:write')
    const report = { address: ANN, reason: 'complaint' }
    expect((await callApi(worker, other, 'POST', '/v1/outbox/reports', report)).status).toBe(403)
    expect((await callApi(worker, adapter, 'POST', '/v1/outbox/reports', report)).status).toBe(201)
    const path = `/v1/outbox/undeliverable/${encodeURIComponent(ANN)}`
    expect((await callApi(worker, adapter, 'DELETE', path)).status).toBe(403)
    expect((await callApi(worker, adapter, 'GET', '/v1/outbox')).status).toBe(403)
  })

  test('of an address without an account, or of none', async () => {
    const worker = await startWorker(SMTP)
    const adapter = await newClientToken(worker, 'events:write')
    const report = (body: object) => callApi(worker, adapter, 'POST', '/v1/outbox/reports', body)
    expect((await report({ address: 'x@example.com', reason: 'bounce' })).status).toBe(201)
    expect((await report({ address: 'x@example.com', reason: 'complaint' })).status).toBe(201)
    expect((await report({ address: 'nobody', reason: 'bounce' })).status).toBe(400)
    expect((await report({ address: 'x@example.com', reason: 'spam' })).status).toBe(400)
    const detail = 'two\nlines'
    expect((await report({ address: 'x@example.com', reason: 'bounce', detail })).status).toBe(400)
  })
})

describe('a sample', () => {
  test.each(MAIL_KIND_NAMES)('of %s is shown', async (kind) => {
    const worker = await startWorker()
    const token = await newClientToken(worker, 'users:read')
    const { status, body } = await callApi(worker, token, 'GET', `/v1/mail/preview?kind=${kind}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ to: { address: 'ann@example.com', name: '' } })
    expect(String(body['text'])).not.toContain('id.example.com')
  })

  test('of a person has the address, the name and the language of the person', async () => {
    const { worker } = await startWithAnn({})
    const cx = worker.context()
    await cx.db.write(sql`update user set name = 'Ännchen', email_verified = 1 where id = 'ann'`)
    const token = await newClientToken(worker, 'users:read')
    const at = (query: string) => callApi(worker, token, 'GET', `/v1/mail/preview?${query}`)
    const { body } = await at(`kind=recovery&locale=en&user=${ANN}`)
    expect(body).toMatchObject({ to: { address: ANN, name: 'Ännchen' } })
    expect(body['text']).toContain('Hello Ännchen,')
    expect((await at('kind=recovery&user=nobody@example.com')).status).toBe(404)
    expect((await at('kind=unknown')).status).toBe(400)
    expect((await at('kind=recovery&locale=../../x')).status).toBe(400)
    expect(await outbox(worker)).toEqual([])
  })
})
