// Names of people: an address is whose owner has proven it, and one that is not proven keeps nobody
// else away.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { user } from '../../worker/db/schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { rewriteAddressKeys } from '../../worker/identity/login_ids/address_keys.ts'
import { findUserByAddress } from '../../worker/identity/login_ids/login_id_store.ts'
import { createUser, newUser, removeUser } from '../../worker/identity/users.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator } from './authenticator.ts'
import { Browser, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { eventsOf, isSignedIn } from './people.ts'

const OWN_PASSWORD = 'seven brown horses jump over fences'

type Name = { user_id: string; key: string; value: string; verified: number; is_primary: number }

const namesOf = (worker: TestWorker) =>
  worker
    .context()
    .db.read(sql<Name>`select user_id, key, value, verified_at is not null as verified,
    is_primary from login_id order by user_id, key`)

const usersOf = (worker: TestWorker) =>
  worker.context().db.read(sql<{ id: string; email: string; email_key: string }>`
    select id, email, email_key, email_verified from user order by id`)

/** Somebody made an account in the name of Ann, perhaps with a factor of their own. */
async function startWithSquatter(
  settings: Parameters<typeof changeSettings>[1] = {},
  { factor } = { factor: true },
) {
  const worker = await startWorker()
  const cx = worker.context()
  await changeSettings(cx, settings)
  worker.memory.clear()
  await createPerson(cx, { id: 'squatter', email: ANN, password: PASSWORD })
  const squatter = new Browser(worker)
  await squatter.signIn(ANN, PASSWORD)
  if (factor) await addAuthenticator(worker, squatter)
  return { worker, cx, squatter, owner: new Browser(worker) }
}

const pathOf = (mail: Mail | undefined) => {
  const link = linkIn(mail as Mail)
  return link.pathname + link.search
}

async function lastMail(worker: TestWorker, kind: string, address = ANN) {
  const mails = await mailsOf(worker)
  return mails.findLast((one) => one.kind === kind && one.address === address)
}

async function open(browser: Browser, mail: Mail | undefined, fields: Record<string, string>) {
  const page = await browser.get(pathOf(mail))
  return page.status === 200 ? browser.submit(page, fields) : page
}

/** Nothing of what the squatter had leads to the address, and no session of before lives. */
async function expectShutOut(worker: TestWorker, squatter: Browser): Promise<void> {
  expect(await isSignedIn(squatter)).toBe(false)
  expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
}

describe('an account that somebody made with the address of another', () => {
  test('is the owner’s after a sign-in by link: password, factor, session are gone', async () => {
    const { worker, cx, squatter, owner } = await startWithSquatter({ sign_in_links: 'on' })
    await owner.submit(await owner.get('/login/link'), { email: ANN, action: 'send' })
    const done = await open(owner, await lastMail(worker, 'sign_in_link'), { action: 'login' })
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
    expect(await isSignedIn(owner)).toBe(true)
    await expectShutOut(worker, squatter)
    expect(await cx.db.read(sql`select * from factor`)).toEqual([])
    expect(await namesOf(worker)).toMatchObject([{ user_id: 'squatter', verified: 1 }])
  })

  test('keeps a password and a factor that its owner set, once the address is proven', async () => {
    const { worker, squatter, owner } = await startWithSquatter({ sign_in_links: 'on' })
    await worker.context().db.write(sql`update login_id set verified_at = 1`)
    await owner.submit(await owner.get('/login/link'), { email: ANN, action: 'send' })
    const done = await open(owner, await lastMail(worker, 'sign_in_link'), { action: 'login' })
    expect(done.headers.get('location')).toBe('/login/verify')
    expect(await isSignedIn(squatter)).toBe(true)
  })

  test('loses the address to who signs up', async () => {
    const { worker, squatter, owner } = await startWithSquatter({ sign_up: 'open' })
    await owner.submit(await owner.get('/sign-up'), { email: ANN, action: 'send' })
    const typed = { name: 'Ann', password: OWN_PASSWORD, action: 'create' }
    const done = await open(owner, await lastMail(worker, 'sign_up'), typed)
    expect(done.status).toBe(303)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).signIn(ANN, OWN_PASSWORD)).status).toBe(303)
    const [name, ...others] = await namesOf(worker)
    expect([name?.value, name?.verified, others]).toEqual([ANN, 1, []])
    expect(name?.user_id).not.toBe('squatter')
    expect(await usersOf(worker)).toContainEqual({
      id: 'squatter',
      email: '',
      email_key: '@squatter',
      email_verified: 0,
    })
    const lost = (await eventsOf(worker)).filter(({ type }) => type === 'user.login_id_lost')
    expect(lost).toMatchObject([
      { subject_id: 'squatter', outcome: 'failure', actor_kind: 'user', actor_id: name?.user_id },
    ])
    // Its own account stays, and has no name any more.
    expect(await isSignedIn(squatter)).toBe(true)
  })

  test('is the owner’s after a confirmation of the address, in a browser that is not signed in', async () => {
    const { worker, cx, squatter, owner } = await startWithSquatter({}, { factor: false })
    await squatter.submit(await squatter.get('/account/email'), { email: ANN, action: 'send' })
    const mail = await lastMail(worker, 'verify_address')
    expect((await open(owner, mail, { action: 'confirm' })).status).toBe(200)
    await expectShutOut(worker, squatter)
    expect(await cx.db.read(sql`select password from user`)).toEqual([{ password: null }])
  })

  test('goes on as it was where the same browser is signed in and opens the mail', async () => {
    const { worker, squatter } = await startWithSquatter({}, { factor: false })
    await squatter.submit(await squatter.get('/account/email'), { email: ANN, action: 'send' })
    const mail = await lastMail(worker, 'verify_address')
    expect((await open(squatter, mail, { action: 'confirm' })).status).toBe(200)
    expect(await isSignedIn(squatter)).toBe(true)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    expect(await namesOf(worker)).toMatchObject([{ user_id: 'squatter', verified: 1 }])
  })

  test('cannot take an older address back by a link from before the proof', async () => {
    const { worker, cx, squatter, owner } = await startWithSquatter(
      { sign_in_links: 'on' },
      { factor: false },
    )
    const change = { email: 'old@example.com', action: 'send' }
    await squatter.submit(await squatter.get('/account/email'), change)
    await open(squatter, await lastMail(worker, 'verify_address', change.email), {
      action: 'confirm',
    })
    await squatter.submit(await squatter.get('/account/email'), { email: 'x@example.com' })
    await cx.db.write(sql`update account_link set used_by = null where purpose = 'undo_address'`)
    const api = sql`update login_id set value = ${ANN}, key = ${ANN}, verified_at = null`
    await cx.db.write([api, sql`update user set email = ${ANN}, email_verified = 0`])
    await owner.submit(await owner.get('/login/link'), { email: ANN, action: 'send' })
    await open(owner, await lastMail(worker, 'sign_in_link'), { action: 'login' })
    expect(await cx.db.read(sql`select purpose from account_link where used_by is null`)).toEqual(
      [],
    )
  })
})

describe('an address that nobody has proven', () => {
  test('may be that of two accounts; the older one is meant', async () => {
    const worker = await startWorker()
    const cx = worker.context()
    await createPerson(cx, { id: 'first', email: ANN, password: PASSWORD })
    worker.clock.now += 1
    await createPerson(cx, { id: 'second', email: ANN, password: OWN_PASSWORD })
    expect(await cx.db.read(findUserByAddress(ANN))).toMatchObject([{ id: 'first' }])
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    expect((await new Browser(worker).signIn(ANN, OWN_PASSWORD)).status).toBe(403)
    expect(await usersOf(worker)).toEqual([
      { id: 'first', email: ANN, email_key: ANN, email_verified: 0 },
      { id: 'second', email: ANN, email_key: '@second', email_verified: 0 },
    ])
  })

  test('leaves the other accounts when one proves it, also by an operator', async () => {
    const worker = await startWorker()
    const cx = worker.context()
    await createPerson(cx, { id: 'first', email: ANN, password: PASSWORD })
    await createUser(cx, { id: 'owner', email: 'ANN@example.com', email_verified: true })
    expect(await usersOf(worker)).toEqual([
      { id: 'first', email: '', email_key: '@first', email_verified: 0 },
      { id: 'owner', email: 'ANN@example.com', email_key: ANN, email_verified: 1 },
    ])
    expect(await namesOf(worker)).toMatchObject([{ user_id: 'owner', value: 'ANN@example.com' }])
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
  })

  test('goes to one of two accounts whose links are opened 200 times at once', async () => {
    const worker = await startWorker()
    const cx = worker.context()
    const links: [Browser, Page][] = []
    for (const id of ['ann', 'bob']) {
      const email = `${id}.first@example.com`
      await createPerson(cx, { id, email, email_verified: true, password: PASSWORD })
      const browser = new Browser(worker)
      await browser.signIn(email, PASSWORD)
      await browser.submit(await browser.get('/account/email'), { email: ANN, action: 'send' })
      const mail = await lastMail(worker, 'verify_address')
      links.push([browser, await browser.get(pathOf(mail))])
    }
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => {
        const [browser, page] = links[i % 2] as [Browser, Page]
        return browser.submit(page, { action: 'confirm' })
      }),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const owners = (await namesOf(worker)).filter(({ key }) => key === ANN)
    expect(owners).toMatchObject([{ verified: 1, is_primary: 1 }])
  })
})

describe('the previous program on this database', () => {
  const stored = async (worker: TestWorker, id: string, email: string, email_verified: boolean) => {
    const cx = worker.context()
    const row = await newUser(cx, { id, email, email_verified })
    await cx.db.write([
      sql`insert into principal (id, kind, rid, created_at) values (${id}, 'user', ${id}, 1)`,
      insertInto(user, row),
    ])
    return row
  }

  test('makes, moves, proves and deletes people, whom this one finds', async () => {
    const worker = await startWorker()
    const { db } = worker.context()
    await stored(worker, 'ann', 'Ann@Example.com', false)
    expect(await namesOf(worker)).toEqual([
      { user_id: 'ann', key: ANN, value: 'Ann@Example.com', verified: 0, is_primary: 1 },
    ])
    await db.write(sql`update user set email_verified = 1, version = version + 1
      where id = 'ann' and email_verified = 0`)
    expect(await namesOf(worker)).toMatchObject([{ value: 'Ann@Example.com', verified: 1 }])
    await db.write(sql`update user set email = 'New@x.example', email_key = 'new@x.example',
      email_verified = 1 where id = 'ann'`)
    expect(await namesOf(worker)).toEqual([
      { user_id: 'ann', key: 'new@x.example', value: 'New@x.example', verified: 1, is_primary: 1 },
    ])
    await db.write(sql`delete from user where id = 'ann'`)
    expect(await namesOf(worker)).toEqual([])
  })

  test('finds people whom this one made by the key that it knows', async () => {
    const worker = await startWorker()
    const cx = worker.context()
    await createUser(cx, { id: 'ann', email: 'Ann@MÜLLER.example', email_verified: true })
    const found = sql`select id from user where email_key = 'ann@müller.example'`
    expect(await cx.db.read(found)).toEqual([{ id: 'ann' }])
    await removeUser(cx, 'ann', null)
    expect(await namesOf(worker)).toEqual([])
  })

  test('cannot give an address to two who have proven it', async () => {
    const worker = await startWorker()
    await createUser(worker.context(), { id: 'ann', email: ANN, email_verified: true })
    await worker.context().db.write(sql`update user set email_key = '@ann' where id = 'ann'`)
    await expect(stored(worker, 'bob', ANN, true)).rejects.toThrow('login_id')
  })
})

describe('one address in two spellings', () => {
  const spellings = [
    ['müller.example', 'xn--mller-kva.example'],
    ['MÜLLER.example', 'müller.example'],
    ['bücher。example', 'xn--bcher-kva.example'],
    ['faß.example', 'xn--fa-hia.example'],
  ]
  test.each(spellings)('%s and %s are one domain', async (one, other) => {
    const worker = await startWorker()
    const cx = worker.context()
    await createUser(cx, { id: 'ann', email: `ann@${one}`, email_verified: true })
    expect(await cx.db.read(findUserByAddress(`ann@${other}`))).toMatchObject([{ id: 'ann' }])
    const again = createUser(cx, { email: `ANN@${other}`, email_verified: true })
    await expect(again).rejects.toMatchObject({ type: 'conflict' })
  })

  test('groß and gross are two people', async () => {
    const worker = await startWorker()
    const cx = worker.context()
    await createUser(cx, { id: 'eszett', email: 'groß@example.com', email_verified: true })
    await createUser(cx, { id: 'ss', email: 'gross@example.com', email_verified: true })
    expect(await cx.db.read(findUserByAddress('groß@example.com'))).toMatchObject([
      { id: 'eszett' },
    ])
  })

  test('a mail goes to the address that is stored', async () => {
    const worker = await startWorker()
    const cx = worker.context()
    await createUser(cx, { id: 'ann', email: 'ann@xn--mller-kva.example', email_verified: true })
    const browser = new Browser(worker)
    const form = await browser.get('/recover')
    await browser.submit(form, { email: 'Ann@müller.example', action: 'send' })
    const [mail] = await mailsOf(worker)
    expect(mail?.address).toBe('ann@xn--mller-kva.example')
  })
})

describe('keys of before', () => {
  const U_FORM = 'ann@müller.example'
  const A_FORM = 'ann@xn--mller-kva.example'

  /** People as the previous program left them; each address has the key in which it was compared. */
  async function startOld(people: Readonly<Record<string, [email: string, verified: 0 | 1]>>) {
    const worker = await startWorker()
    const cx = worker.context()
    for (const [id, [email, verified]] of Object.entries(people)) {
      const given = { id, email: `${id}@old.example`, password: PASSWORD }
      await createPerson(cx, given)
      await cx.db.write(sql`update user set email = ${email}, email_key = lower(${email}),
        email_verified = ${verified} where id = ${id}`)
    }
    return { worker, cx }
  }

  const formsOf = (worker: TestWorker) =>
    worker.context().db.read(sql<{ user_id: string; key: string; form: string }>`
      select user_id, key, form from login_id order by user_id`)

  const recovered = async (worker: TestWorker, email: string) => {
    const browser = new Browser(worker)
    await browser.submit(await browser.get('/recover'), { email, action: 'send' })
    return (await mailsOf(worker)).map(({ address }) => address)
  }

  test('are found in their own spelling, and rewritten by the timer, whose links go on', async () => {
    const { worker, cx } = await startOld({ ann: [U_FORM, 1], bob: ['bob@example.com', 1] })
    expect(await formsOf(worker)).toEqual([
      { user_id: 'ann', key: U_FORM, form: 'former' },
      { user_id: 'bob', key: 'bob@example.com', form: 'current' },
    ])
    expect((await new Browser(worker).signIn(U_FORM, PASSWORD)).status).toBe(303)
    await recovered(worker, U_FORM)
    await cx.db.write(sql`insert into undeliverable_address (address_key, address, reason, reported_at)
      values ('x@müller.example', 'x@müller.example', 'bounce', 1)`)
    await Promise.all([rewriteAddressKeys(worker.context()), rewriteAddressKeys(worker.context())])
    expect((await formsOf(worker))[0]).toEqual({ user_id: 'ann', key: A_FORM, form: 'current' })
    for (const email of [U_FORM, A_FORM]) {
      expect((await new Browser(worker).signIn(email, PASSWORD)).status).toBe(303)
    }
    const [mail] = await mailsOf(worker)
    expect((await new Browser(worker).get(pathOf(mail))).status).toBe(200)
    expect(await cx.db.read(sql`select address_key from undeliverable_address`)).toEqual([
      { address_key: 'x@xn--mller-kva.example' },
    ])
  })

  test('of two accounts that would meet stay: each by its spelling, with the password alone', async () => {
    const { worker, cx } = await startOld({ u: [U_FORM, 1], a: [A_FORM, 1] })
    await rewriteAddressKeys(cx)
    await rewriteAddressKeys(cx)
    expect(await formsOf(worker)).toEqual([
      { user_id: 'a', key: A_FORM, form: 'collides' },
      { user_id: 'u', key: U_FORM, form: 'collides' },
    ])
    const events = await eventsOf(worker)
    const noted = events.filter(({ type }) => type === 'user.address_collides')
    expect(noted.map(({ subject_id }) => subject_id).sort()).toEqual(['a', 'u'])
    expect(await cx.db.read(findUserByAddress(U_FORM))).toMatchObject([{ id: 'u' }])
    expect(await cx.db.read(findUserByAddress(A_FORM))).toMatchObject([{ id: 'a' }])
    for (const email of [U_FORM, A_FORM]) {
      expect((await new Browser(worker).signIn(email, PASSWORD)).status).toBe(303)
      expect(await recovered(worker, email)).toEqual([])
    }
  })

  test('are rewritten once the other account is gone', async () => {
    const { worker, cx } = await startOld({ u: [U_FORM, 1], a: [A_FORM, 1] })
    await rewriteAddressKeys(cx)
    await removeUser(cx, 'a', null)
    await rewriteAddressKeys(cx)
    expect(await formsOf(worker)).toEqual([{ user_id: 'u', key: A_FORM, form: 'current' }])
    expect(await recovered(worker, A_FORM)).toEqual([U_FORM])
  })

  test('of an account that has not proven the address keep nothing from its owner', async () => {
    const { worker, cx } = await startOld({ owner: [U_FORM, 1], other: [A_FORM, 0] })
    await rewriteAddressKeys(cx)
    expect(await formsOf(worker)).toEqual([
      { user_id: 'other', key: A_FORM, form: 'collides' },
      { user_id: 'owner', key: A_FORM, form: 'current' },
    ])
    expect(await recovered(worker, A_FORM)).toEqual([U_FORM])
    expect(await cx.db.read(findUserByAddress(U_FORM))).toMatchObject([{ id: 'owner' }])
    expect(await cx.db.read(findUserByAddress(A_FORM))).toMatchObject([{ id: 'other' }])
  })

  test('of a collision give the address to no third account', async () => {
    const { cx } = await startOld({ u: [U_FORM, 1], a: [A_FORM, 1] })
    await rewriteAddressKeys(cx)
    for (const email of [U_FORM, A_FORM, 'ANN@MÜLLER.example']) {
      const third = createUser(cx, { email, email_verified: true })
      await expect(third).rejects.toMatchObject({ type: 'conflict' })
    }
  })
})
