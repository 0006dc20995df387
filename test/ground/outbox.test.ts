// The outbox: mails that are noted in the batch of their cause, sent behind it, and whose links are
// sealed as long as they are of use and erased then.
import { expect, test } from 'vitest'
import { beginEpoch } from '../../worker/admin/new_epoch.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { condition, sql } from '../../worker/db/sql.ts'
import { createUser, removeUser } from '../../worker/identity/users.ts'
import { keyStatus, reseal } from '../../worker/keys/resealing.ts'
import { signingKeys } from '../../worker/keys/signing_keys.ts'
import { MAIL_KIND_NAMES, sampleContent } from '../../worker/mail/mail_kinds.ts'
import { forgetOldMails, markUndeliverable, withdrawMails } from '../../worker/mail/mail_store.ts'
import { noteMail } from '../../worker/mail/outbox.ts'
import type { MailOutcome } from '../../worker/mail/outgoing.ts'
import { loadSettings } from '../../worker/settings.ts'
import { countRoundTrips, startWorker } from '../context.ts'
import { ENVIRONMENT } from '../support/environment.ts'
import { LINK, note, outbox, outboxRow, recoveryMail, SMTP, send } from '../support/mails.ts'

async function startWithAnn(env: Record<string, string> = SMTP) {
  const worker = await startWorker(env)
  await createUser(worker.context(), {
    id: 'ann',
    email: 'Ann@Example.com',
    email_verified: true,
    name: 'Ann',
    locale: 'en-GB',
  })
  return worker
}

type Worker = Awaited<ReturnType<typeof startWithAnn>>

const mailEvents = async (worker: Worker) => {
  const rows = await worker.context().db.read(
    sql<{ type: string; subject_id: string; data: string }>`select type, subject_id, data
        from event where type like 'mail%' order by seq`,
  )
  return rows.map(({ data, ...row }) => ({ ...row, data: JSON.parse(data) as object }))
}

const everythingStored = async (worker: Worker): Promise<string> => {
  const rows = await worker
    .context()
    .db.read({ mail: sql`select * from mail`, delivery: sql`select * from delivery` })
  return JSON.stringify(rows)
}

const again: MailOutcome = { outcome: 'again', reason: 'smtp_451', answer: '451 later' }

test('a mail is noted in the batch of its cause, without a round trip of its own, and sent from there', async () => {
  const worker = await startWithAnn()
  const cx = worker.context()
  const { roundTrips } = await countRoundTrips(worker, async () => {
    const { statements } = await noteMail(cx, recoveryMail(worker), condition`true`)
    await cx.db.write(statements)
  })
  expect(roundTrips).toBe(1)
  await send(worker)
  expect(worker.post.sent).toEqual([
    {
      id: expect.stringMatching(/^mail_/),
      from: { address: 'no-reply@localhost', name: 'localhost:8787' },
      to: { address: 'Ann@example.com', name: 'Ann' },
      subject: 'Set a new password for localhost:8787',
      text: expect.stringContaining(LINK),
      html: expect.stringContaining('token=the-secret-of-the-link'),
    },
  ])
  await send(worker)
  expect(worker.post.sent).toHaveLength(1)
})

test('sending costs three round trips for ten mails, whatever their number within', async () => {
  const worker = await startWithAnn()
  await loadSettings(worker.context())
  for (let i = 0; i < 9; i++) await note(worker)
  const { roundTrips } = await countRoundTrips(worker, () => send(worker))
  expect([roundTrips, worker.post.sent.length]).toEqual([3, 9])
})

test('a mail whose condition does not hold is not noted, and none to a user who is not there', async () => {
  const worker = await startWithAnn()
  await note(worker, recoveryMail(worker), condition`false`)
  await note(worker, recoveryMail(worker, { to: { user_id: 'nobody' } }))
  await note(
    worker,
    recoveryMail(worker, { to: { address: 'bea@example.com', name: null } }),
    condition`exists (select 1 from user where id = 'nobody')`,
  )
  expect(await outbox(worker)).toEqual([])
  await send(worker)
  expect(worker.post.sent).toEqual([])
  const waiting = await worker.context().db.read(sql`select 1 from delivery`)
  expect(waiting).toEqual([])
})

test('a mail goes to the address that the user has when it is noted, in the language of the user', async () => {
  const worker = await startWithAnn()
  const cx = worker.context()
  const { statements } = await noteMail(cx, recoveryMail(worker), condition`true`)
  await cx.db.write([
    sql`update user set email = 'new@example.com', email_key = 'new@example.com' where id = 'ann'`,
    ...statements,
  ])
  await note(worker, recoveryMail(worker, { locale: 'pl' }))
  expect((await outbox(worker)).map(({ address, locale }) => [address, locale])).toEqual([
    ['new@example.com', 'en-GB'],
    ['new@example.com', 'pl'],
  ])
})

test('a mail speaks the language of its person, else that of the service, whoever causes it', async () => {
  const worker = await startWithAnn()
  const cx = worker.context()
  await cx.db.write(sql`update user set locale = 'ar-EG'`)
  await changeSettings(cx, { service_name: 'Garden', default_locale: 'pl' })
  await note(worker)
  await note(worker, recoveryMail(worker, { to: { address: 'x@example.com', name: null } }))
  await note(worker, recoveryMail(worker, { locale: 'de' }))
  await send(worker)
  const languages = worker.post.sent.map(({ html }) => /<html [^>]*>/.exec(html)?.[0]).sort()
  expect(languages).toEqual([
    '<html lang="ar" dir="rtl">',
    '<html lang="de" dir="ltr">',
    '<html lang="pl" dir="ltr">',
  ])
  expect(worker.post.sent.map(({ from }) => from.name)).toEqual(['Garden', 'Garden', 'Garden'])
  for (const { subject } of worker.post.sent) expect(subject).toContain('Garden')
})

test('the name of a person is written only to an address that is proven', async () => {
  const worker = await startWithAnn()
  await worker.context().db.write(sql`update user set email_verified = 0`)
  await note(worker)
  await send(worker)
  expect(worker.post.sent[0]?.to.name).toBe('')
  expect(worker.post.sent[0]?.text).not.toContain('Hello')
})

test('link and code are sealed while the mail waits, and erased once it is sent', async () => {
  const worker = await startWithAnn()
  worker.post.answer = () => again
  const id = await note(worker)
  await send(worker)
  expect(await everythingStored(worker)).not.toContain('the-secret')
  expect((await outboxRow(worker, id)).secrets).toMatch(/^v1\./)
  worker.post.answer = () => ({ outcome: 'sent', answer: '250' })
  worker.clock.now += 60
  await send(worker)
  expect(await outboxRow(worker, id)).toMatchObject({
    state: 'sent',
    secrets: null,
    attempts: 2,
    fault: null,
    settled_at: worker.clock.now,
  })
  expect(JSON.stringify([worker.log, await mailEvents(worker)])).not.toContain('the-secret')
})

test('a sealed link cannot be moved to another mail', async () => {
  const worker = await startWithAnn()
  const id = await note(worker)
  const other = await note(
    worker,
    recoveryMail(worker, { to: { address: 'eve@example.com', name: null } }),
  )
  await worker
    .context()
    .db.write(sql`update mail set secrets = (select secrets from mail where id = ${id})
      where id = ${other}`)
  await send(worker)
  expect(worker.post.sent.map(({ to }) => to.address)).toEqual(['Ann@example.com'])
  expect(await outboxRow(worker, other)).toMatchObject({ state: 'waiting', fault: 'not_opened' })
})

test('with outbox: a mail stays with its link until that runs out', async () => {
  const worker = await startWithAnn({})
  const id = await note(worker)
  await send(worker)
  expect(await outboxRow(worker, id)).toMatchObject({ state: 'kept', attempts: 1 })
  expect((await outboxRow(worker, id)).secrets).not.toBeNull()
  expect(await mailEvents(worker)).toEqual([])
  worker.clock.now += 3600
  await worker.context().db.write(forgetOldMails(worker.context(), 86_400 * 30))
  expect((await outboxRow(worker, id)).secrets).toBeNull()
  worker.clock.now += 86_400 * 30
  await worker.context().db.write(forgetOldMails(worker.context(), 86_400 * 30))
  expect(await outbox(worker)).toEqual([])
})

test('a link that was used, or replaced, is erased from its mail, which is then not sent', async () => {
  const worker = await startWithAnn()
  const cx = worker.context()
  const id = await note(worker)
  const other = await note(worker, recoveryMail(worker, { secret_of: 'another' }))
  await cx.db.write(withdrawMails(cx, condition`secret_of = 'hash-of-the-link'`))
  expect(await outboxRow(worker, id)).toMatchObject({ state: 'withdrawn', secrets: null })
  await send(worker)
  expect(worker.post.sent.map((one) => one.id)).toEqual([other])
  expect(await mailEvents(worker)).toMatchObject([{ type: 'mail.sent', data: { mail_id: other } }])
})

test('a mail whose link ran out before it could be sent is given up', async () => {
  const worker = await startWithAnn()
  worker.post.answer = () => again
  const id = await note(worker)
  await send(worker)
  worker.clock.now += 3600
  await send(worker)
  expect(worker.post.sent).toHaveLength(1)
  expect(await outboxRow(worker, id)).toMatchObject({
    state: 'abandoned',
    secrets: null,
    fault: 'ran_out',
  })
})

test('a refusal for now is tried again after each pause, and given up in the end', async () => {
  const worker = await startWithAnn()
  worker.post.answer = () => again
  const id = await note(worker, recoveryMail(worker, { expires_at: null }))
  for (let hour = 0; hour < 40 * 12; hour++) {
    await send(worker)
    worker.clock.now += 300
  }
  expect(worker.post.sent).toHaveLength(8)
  expect(await outboxRow(worker, id)).toMatchObject({
    state: 'abandoned',
    secrets: null,
    attempts: 8,
    fault: 'smtp_451',
  })
  expect(await mailEvents(worker)).toEqual([
    {
      type: 'mail.abandoned',
      subject_id: 'ann',
      data: { mail_id: id, kind: 'recovery', attempts: 8, reason: 'smtp_451' },
    },
  ])
  expect(await worker.context().db.read(sql`select 1 from delivery`)).toEqual([])
})

test('a refusal for good is not tried again; where there is no such address, it is marked', async () => {
  const worker = await startWithAnn()
  worker.post.answer = () => ({
    outcome: 'refused',
    reason: 'smtp_550',
    answer: '550 5.1.1 no such user',
    is_address: true,
  })
  const id = await note(worker)
  await send(worker)
  worker.clock.now += 86_400
  await send(worker)
  expect(worker.post.sent).toHaveLength(1)
  expect(await outboxRow(worker, id)).toMatchObject({ state: 'abandoned', fault: 'smtp_550' })
  const second = await note(worker)
  await send(worker)
  expect(worker.post.sent).toHaveLength(1)
  expect(await outboxRow(worker, second)).toMatchObject({ state: 'suppressed', secrets: null })
  expect(await mailEvents(worker)).toMatchObject([
    { type: 'mail.abandoned', data: { reason: 'smtp_550' } },
    { type: 'mail.suppressed', subject_id: 'ann', data: { mail_id: second, kind: 'recovery' } },
  ])
})

test('a mark counts for each spelling of an address', async () => {
  const worker = await startWithAnn()
  const cx = worker.context()
  const mark = { address: 'ANN@example.com', address_key: 'ann@example.com', detail: null }
  await cx.db.write(
    markUndeliverable({ ...mark, reason: 'complaint', reported_at: 1 }, condition`true`),
  )
  await note(worker)
  await note(worker, recoveryMail(worker, { to: { address: 'aNN@eXample.com', name: null } }))
  await send(worker)
  expect(worker.post.sent).toEqual([])
})

test('an address that cannot be sent to is given up at once', async () => {
  const worker = await startWithAnn()
  const address = 'ann,eve@example.com'
  const id = await note(worker, recoveryMail(worker, { to: { address, name: null } }))
  await send(worker)
  expect(worker.post.sent).toEqual([])
  expect(await outboxRow(worker, id)).toMatchObject({ state: 'abandoned', fault: 'bad_address' })
})

test('mails of a person who is deleted are deleted, and not sent', async () => {
  const worker = await startWithAnn()
  await note(worker)
  await removeUser(worker.context(), 'ann', null)
  expect(await outbox(worker)).toEqual([])
  await send(worker)
  expect(worker.post.sent).toEqual([])
  expect(await worker.context().db.read(sql`select 1 from delivery`)).toEqual([])
})

test('after a restore no mail of the past is sent', async () => {
  const worker = await startWithAnn()
  const id = await note(worker)
  await beginEpoch(worker.context())
  await send(worker)
  expect(worker.post.sent).toEqual([])
  expect(await outboxRow(worker, id)).toMatchObject({ state: 'withdrawn', secrets: null })
})

test('links and codes are sealed anew after a change of SECRET_KEY, and the old one may not go before', async () => {
  const OLD = ENVIRONMENT.SECRET_KEY
  const NEW = 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc'
  const worker = await startWithAnn({})
  const cx = worker.context()
  await signingKeys(cx)
  const id = await note(worker)
  const secret_keys = [NEW, OLD].map((text) => Buffer.from(text, 'base64url'))
  const rotated = { ...cx, memory: new Map(), config: { ...cx.config, secret_keys } }
  const { secret_keys: before } = await keyStatus(rotated as typeof cx)
  expect(before).toMatchObject([{ mails: 0 }, { mails: 1, may_go: false }])
  const [, old] = before
  expect(await reseal(rotated as typeof cx)).toMatchObject({ mails: 1, unopened: [] })
  expect((await outboxRow(worker, id)).secrets).not.toContain(old?.id)
  expect((await keyStatus(rotated as typeof cx)).secret_keys).toMatchObject([
    { mails: 1 },
    { mails: 0 },
  ])
})

test.each(MAIL_KIND_NAMES)(
  'a mail of the kind %s is noted and sent with all its values',
  async (kind) => {
    const worker = await startWithAnn()
    const content = sampleContent(kind)
    await note(worker, recoveryMail(worker, content))
    await send(worker)
    const [mail] = worker.post.sent
    expect(mail?.text).not.toMatch(/undefined|[{}]/)
    for (const [name, value] of Object.entries(content.values)) {
      if (typeof value === 'string' && name !== 'client_id') expect(mail?.text).toContain(value)
    }
  },
)
