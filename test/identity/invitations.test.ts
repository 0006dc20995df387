// Invitations: by whom, to whom, with which rights, and what becomes of the link.
import { describe, expect, test } from 'vitest'
import { beginEpoch } from '../../worker/admin/new_epoch.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import {
  acceptInvitation,
  openInvitation,
  signUpInvited,
} from '../../worker/identity/invitations/acceptance.ts'
import { changeUser, createUser, removeUser } from '../../worker/identity/users.ts'
import { runJobs } from '../../worker/jobs.ts'
import { countRoundTrips, SYSTEM, startWorker, type TestWorker } from '../context.ts'
import { publishTerms } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { eventsOf, isSignedIn } from './people.ts'

const BEA = 'bea@example.com'
const DAY = 86_400

type Api = (method: string, path: string, body?: object) => ReturnType<typeof callApi>

/** The API in the name of a client with `manage`, whose token is good for ten minutes. */
async function apiOf(worker: TestWorker, client_id: string): Promise<Api> {
  const token = await newClientToken(worker, 'manage', client_id)
  return (method, path, body) => callApi(worker, token, method, path, body)
}

/** A system by invitation with a group `home`, a role `resident`, Ann, and a client with `manage`. */
async function startInviting(sign_up: 'off' | 'by_invitation' | 'open' = 'by_invitation') {
  const worker = await startWorker()
  await changeSettings(worker.context(), { sign_up })
  worker.memory.clear()
  await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
  const api = await apiOf(worker, 'boss')
  await api('POST', '/v1/groups', { id: 'home', name: 'Garden Street' })
  await api('POST', '/v1/roles', { name: 'resident', permissions: ['device:read'] })
  return { worker, api, browser: new Browser(worker) }
}

const RIGHTS = { grants: [{ role: 'resident', object: 'home', expires_at: 1_900_000_000 }] }

async function invite(
  { worker, api }: { worker: TestWorker; api: Api },
  body: object = {},
): Promise<{ id: string; path: string; mail: Mail }> {
  const made = await api('POST', '/v1/invitations', { address: BEA, ...RIGHTS, ...body })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  return { id: String(made.body['id']), ...(await newest(worker)) }
}

/** The newest mail of an invitation, and the path of its link. */
async function newest(worker: TestWorker) {
  const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'invitation') as Mail
  const { pathname, search } = linkIn(mail)
  return { mail, path: pathname + search }
}

const create = async (browser: Browser, path: string, fields = {}): Promise<Page> => {
  const page = await browser.get(path)
  if (page.status !== 200) return page
  return browser.submit(page, { name: 'Bea', password: PASSWORD, action: 'create', ...fields })
}

const grantsOf = (worker: TestWorker, address: string) =>
  worker.context().db.read(sql<{ role: string; object_id: string; expires_at: number | null }>`
    select role, object_id, expires_at from "grant"
    where subject_id = (select id from user where email_key = ${address})`)

const usersNamed = (worker: TestWorker, address: string) =>
  worker.context().db.read(sql<{ id: string; email_verified: number }>`
    select id, email_verified from user where email_key = ${address}`)

describe('an invitation', () => {
  test('is a mail in the language that was said, with who invites and where to', async () => {
    const started = await startInviting()
    const { mail } = await invite(started, { locale: 'pl', name: 'Bea' })
    expect(mail.address).toBe(BEA)
    expect(mail.text).toContain('Masz zaproszenie')
    expect(mail.text).toContain('Garden Street')
  })

  test('makes an account with a proven address and the rights, and signs in', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    await started.api('POST', '/v1/groups', { id: 'team', name: 'Team' })
    const { id, path } = await invite(started, { groups: ['team'], name: 'Bea Example' })
    const page = await browser.get(path)
    expect(page.html).toContain('value="Bea Example"')
    // A mail program that opens the link changes nothing.
    expect(await usersNamed(worker, BEA)).toEqual([])
    const done = await create(browser, path)
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
    expect(await isSignedIn(browser)).toBe(true)
    const [user] = await usersNamed(worker, BEA)
    expect(user?.email_verified).toBe(1)
    expect(await grantsOf(worker, BEA)).toEqual([
      { role: 'resident', object_id: 'home', expires_at: 1_900_000_000 },
    ])
    const members = await started.api('GET', '/v1/groups/team/members')
    expect(members.body['items']).toMatchObject([{ id: user?.id }])
    const seen = await started.api('GET', `/v1/invitations/${id}`)
    expect(seen.body).toMatchObject({
      state: 'accepted',
      accepted_by: user?.id,
      invited_by: 'boss',
    })
    const types = (await eventsOf(worker)).map(({ type }) => type)
    for (const type of ['invitation.created', 'invitation.accepted', 'grant.created']) {
      expect(types).toContain(type)
    }
    // Neither the form nor the mail has the link any more.
    expect((await newestText(worker)).includes('token=')).toBe(false)
    expect((await create(new Browser(worker), path)).status).toBe(403)
  })

  const newestText = async (worker: TestWorker) =>
    (await mailsOf(worker)).findLast(({ kind }) => kind === 'invitation')?.text ?? ''

  test('asks for texts as a sign-up does', async () => {
    const started = await startInviting()
    await publishTerms(started.worker)
    const { path } = await invite(started)
    const { 'accept.terms': _unticked, ...fields } = formFields(await started.browser.get(path))
    const typed = { ...fields, name: 'Bea', password: PASSWORD, action: 'create' }
    const refused = await started.browser.post('/invitation', typed)
    expect([refused.status, refused.html.includes('value="Bea"')]).toEqual([400, true])
    expect(await usersNamed(started.worker, BEA)).toEqual([])
    await create(started.browser, path)
    expect((await started.browser.get('/account')).status).toBe(200)
    const decisions = sql<{ key: string; version: string }>`
      select key, version from consent_decision`
    expect(await started.worker.context().db.read(decisions)).toEqual([
      { key: 'terms', version: '1' },
    ])
  })

  test('keeps what was typed where name or password is refused', async () => {
    const started = await startInviting()
    const { path } = await invite(started)
    const short = await create(started.browser, path, { password: 'short' })
    expect([short.status, short.html.includes('value="Bea"')]).toEqual([400, true])
    const hidden = await create(started.browser, path, { name: 'B\u202eea' })
    expect([hidden.status, alertOf(hidden)?.includes('200')]).toEqual([400, true])
    expect((await create(started.browser, path)).status).toBe(303)
  })

  test('of eight forms at once makes one account, one grant and one session', async () => {
    const started = await startInviting()
    const { worker } = started
    const { path } = await invite(started)
    const made = await Promise.all(
      Array.from({ length: 8 }, () => create(new Browser(worker), path)),
    )
    expect(made.filter(({ status }) => status === 303)).toHaveLength(1)
    expect(await usersNamed(worker, BEA)).toHaveLength(1)
    expect(await grantsOf(worker, BEA)).toHaveLength(1)
    expect(await worker.context().db.read(sql`select id_hash from session`)).toHaveLength(1)
  })

  test('takes one round trip for its page, and two for the answer', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    const { path } = await invite(started)
    await browser.get(path)
    const page = await countRoundTrips(worker, () => browser.get(path))
    const done = await countRoundTrips(worker, () =>
      browser.submit(page.value, { password: PASSWORD, action: 'create' }),
    )
    expect([page.roundTrips, done.value.status, done.roundTrips]).toEqual([1, 303, 2])
  })
})

describe('a person who has an account', () => {
  test('signs in, comes back without the link in the address, and accepts', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    await worker.context().db.write(sql`update user set email_verified = 0 where id = 'ann'`)
    const { path } = await invite(started, { address: 'Ann@Example.com' })
    const page = await browser.get(path)
    expect(page.html).toContain('There is an account with this address')
    expect(page.html).not.toContain('value="create"')
    const sent = await browser.submit(page, { action: 'login' })
    expect(sent.headers.get('location')).toBe('/login?return_to=%2Finvitation')
    const back = await browser.signIn(ANN, PASSWORD, sent.headers.get('location') ?? '')
    expect(back.headers.get('location')).toBe('/invitation')
    const accepting = await browser.get('/invitation')
    expect(accepting.html).toContain(ANN)
    const done = await browser.submit(accepting, { action: 'accept' })
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
    expect(await grantsOf(worker, ANN)).toHaveLength(1)
    expect((await usersNamed(worker, ANN))[0]?.email_verified).toBe(1)
    expect(browser.cookies.has('invitation')).toBe(false)
    expect((await browser.get(path)).status).toBe(403)
  })

  test('accepts with the account that is signed in, whose address stays as it is', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    await worker.context().db.write(sql`update user set email_verified = 0 where id = 'ann'`)
    await browser.signIn(ANN, PASSWORD)
    const { path } = await invite(started)
    const page = await browser.get(path)
    expect(page.html).toMatch(/bea@example\.com[\s\S]*was invited/)
    await browser.submit(page, { action: 'accept' })
    expect(await grantsOf(worker, ANN)).toHaveLength(1)
    expect(await usersNamed(worker, ANN)).toEqual([{ id: 'ann', email_verified: 0 }])
    expect(await usersNamed(worker, BEA)).toEqual([])
  })

  test('accepts it once, also of two hundred answers at once', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    await browser.signIn(ANN, PASSWORD)
    const { path } = await invite(started)
    const token = new URL(path, 'http://x').searchParams.get('token') ?? ''
    const invited = await openInvitation(worker.context(), token, browser.cookies.get('session'))
    const { session } = invited ?? {}
    if (invited == null || session == null) throw new Error('dead, or not signed in')
    const results = await Promise.all(
      Array.from({ length: 200 }, () => acceptInvitation(worker.context(), invited.row, session)),
    )
    expect(results.filter(({ outcome }) => outcome === 'done')).toHaveLength(1)
    expect(results.filter(({ outcome }) => outcome === 'dead')).toHaveLength(199)
    expect(await grantsOf(worker, ANN)).toHaveLength(1)
    const accepted = (await eventsOf(worker)).filter(({ type }) => type === 'invitation.accepted')
    expect(accepted).toHaveLength(1)
  })

  test('is told where the rights do not fit into a token beside those of the account', async () => {
    const started = await startInviting()
    const { worker, api, browser } = started
    await changeSettings(worker.context(), { acl_max_rules: 1 })
    worker.memory.clear()
    for (const name of ['one', 'other']) {
      const acl = [{ permission: 'allow', action: 'publish', topic: name }]
      await api('POST', '/v1/roles', { name, acl })
    }
    const { path } = await invite(started, { grants: [{ role: 'one', object: 'home' }] })
    await browser.signIn(ANN, PASSWORD)
    await api('POST', '/v1/grants', { subject: ANN, role: 'other', object: 'home' })
    const refused = await browser.submit(await browser.get(path), { action: 'accept' })
    expect([refused.status, refused.html]).toEqual([409, expect.stringContaining('do not fit')])
    expect(await grantsOf(worker, ANN)).toHaveLength(1)
    // It is no use of the link.
    await changeSettings(worker.context(), { acl_max_rules: 2 })
    worker.memory.clear()
    await browser.submit(await browser.get(path), { action: 'accept' })
    expect(await grantsOf(worker, ANN)).toHaveLength(2)
  })

  test('agrees to texts first, also where one is published in between', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    await browser.signIn(ANN, PASSWORD)
    const { path } = await invite(started)
    const page = await browser.get(path)
    await publishTerms(worker)
    const asked = await browser.submit(page, { action: 'accept' })
    expect(asked.headers.get('location')).toBe('/continue?return_to=%2Finvitation')
    expect((await browser.get(path)).headers.get('location')).toMatch(/^\/continue/)
    expect(await grantsOf(worker, ANN)).toEqual([])
  })

  test('that was made while the form was open is asked to sign in', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    const { path } = await invite(started)
    const page = await browser.get(path)
    await createUser(worker.context(), { email: BEA, email_verified: true })
    const sent = await browser.submit(page, { password: PASSWORD, action: 'create' })
    expect(sent.headers.get('location')).toBe(path)
    expect((await browser.get(path)).html).toContain('There is an account')
    expect(await grantsOf(worker, BEA)).toEqual([])
  })
})

describe('a link', () => {
  test.each<[string, (started: Awaited<ReturnType<typeof startInviting>>, id: string) => unknown]>([
    ['that was taken back', ({ api }, id) => api('DELETE', `/v1/invitations/${id}`)],
    ['that ran out', ({ worker }) => (worker.clock.now += 7 * DAY)],
    ['that was sent again', ({ api }, id) => api('POST', `/v1/invitations/${id}/send`)],
    ['after a restore', ({ worker }) => beginEpoch(worker.context(SYSTEM, ''))],
  ])('%s is dead, also in a form that is open, and says what to do', async (_, end) => {
    const started = await startInviting()
    const { worker, browser } = started
    const { id, path } = await invite(started)
    const page = await browser.get(path)
    await end(started, id)
    const late = await browser.submit(page, { password: PASSWORD, action: 'create' })
    expect([late.status, (await browser.get(path)).status]).toEqual([403, 403])
    expect(late.html).toContain('ask whoever invited you for a new one')
    expect(await usersNamed(worker, BEA)).toEqual([])
  })

  test('that ended between look and batch gives nothing', async () => {
    const started = await startInviting()
    const { worker, api } = started
    const { id, path } = await invite(started)
    const token = new URL(path, 'http://x').searchParams.get('token') ?? ''
    const cx = worker.context()
    const invited = await openInvitation(cx, token, undefined)
    if (invited === null) throw new Error('dead')
    await api('DELETE', `/v1/invitations/${id}`)
    const result = await signUpInvited(cx, invited, {
      ...{
        name: null,
        password: PASSWORD,
        locale: 'en',
        user_agent: '',
        replaces: undefined,
        browsers: [],
        fields: () => undefined,
      },
    })
    expect(result.outcome).toBe('dead')
    expect(await usersNamed(worker, BEA)).toEqual([])
  })

  test('that is made up is dead, and none is taken from a cookie of another form', async () => {
    const { browser } = await startInviting()
    for (const token of ['', 'x', 'A'.repeat(43), '../x']) {
      expect((await browser.get(`/invitation?token=${token}`)).status).toBe(403)
    }
    browser.cookies.set('invitation', '"><script>')
    expect((await browser.get('/invitation')).status).toBe(403)
  })

  test('that is sent again is good, and the mail of before has none', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    const { id } = await invite(started)
    worker.clock.now += 8 * DAY
    const api = await apiOf(worker, 'later')
    const sent = await api('POST', `/v1/invitations/${id}/send`)
    expect(sent.body).toMatchObject({ state: 'open', expires_at: worker.clock.now + 7 * DAY })
    const texts = (await mailsOf(worker)).map(({ text }) => text.includes('token='))
    expect(texts).toEqual([false, true])
    expect((await create(browser, (await newest(worker)).path)).status).toBe(303)
    expect((await api('POST', `/v1/invitations/${id}/send`)).status).toBe(409)
    expect((await api('DELETE', `/v1/invitations/${id}`)).status).toBe(409)
  })

  test('is forgotten thirty days after its end', async () => {
    const started = await startInviting()
    const { worker } = started
    const { id } = await invite(started)
    worker.clock.now += 36 * DAY
    await runJobs(worker.context(SYSTEM, ''))
    const early = await apiOf(worker, 'early')
    expect((await early('GET', `/v1/invitations/${id}`)).body['state']).toBe('expired')
    worker.clock.now += 2 * DAY
    await runJobs(worker.context(SYSTEM, ''))
    const late = await apiOf(worker, 'late')
    expect((await late('GET', `/v1/invitations/${id}`)).status).toBe(404)
  })
})

describe('the power of whoever invites', () => {
  /** Olga, an operator with a session, invites by a client of hers that acts for her. */
  async function startWithOlga() {
    const started = await startInviting()
    const { worker } = started
    await createPerson(worker.context(), {
      id: 'olga',
      email: 'olga@example.com',
      password: PASSWORD,
      name: 'Olga',
    })
    const grant = await started.api('POST', '/v1/grants', {
      subject: 'olga',
      role: 'operator',
      object: '*',
    })
    await started.api('POST', '/v1/grants', { subject: 'ann', role: 'operator', object: '*' })
    const actor = {
      kind: 'user',
      id: 'olga',
      scopes: new Set(['users:write', 'access:write']),
    } as const
    const { createInvitation, invitationInput } = await import(
      '../../worker/identity/invitations/invitations.ts'
    )
    const made = await createInvitation(
      worker.context(actor),
      invitationInput.parse({ address: BEA, ...RIGHTS }),
    )
    return { ...started, grant: String(grant.body['id']), id: made.id, ...(await newest(worker)) }
  }

  test('is named in the mail and on the page', async () => {
    const { mail, browser, path } = await startWithOlga()
    expect(mail.text).toContain('Olga')
    expect((await browser.get(path)).html).toContain('Olga')
    expect((await create(browser, path)).status).toBe(303)
  })

  test.each<[string, (started: Awaited<ReturnType<typeof startWithOlga>>) => unknown]>([
    ['lost the role', ({ api, grant }) => api('DELETE', `/v1/grants/${grant}`)],
    [
      'was disabled',
      ({ worker }) => changeUser(worker.context(), 'olga', { status: 'disabled' }, null),
    ],
    [
      'was disabled and enabled again',
      async ({ worker }) => {
        await changeUser(worker.context(), 'olga', { status: 'disabled' }, null)
        await changeUser(worker.context(), 'olga', { status: 'active' }, null)
      },
    ],
    [
      'closed the account',
      ({ worker }) => changeUser(worker.context(), 'olga', { status: 'closed' }, null),
    ],
  ])('is gone where the operator %s: nothing is given, and words say so', async (_, end) => {
    const started = await startWithOlga()
    const { worker, browser, path } = started
    const page = await browser.get(path)
    await end(started)
    const done = await browser.submit(page, { password: PASSWORD, action: 'create' })
    expect(done.status).toBe(403)
    expect(done.html).toContain('can no longer give')
    expect(await usersNamed(worker, BEA)).toEqual([])
    await browser.signIn(ANN, PASSWORD)
    const accepted = await browser.submit(await browser.get(path), { action: 'accept' })
    expect(accepted.status).toBe(403)
    expect(await grantsOf(worker, ANN)).toMatchObject([{ role: 'operator' }])
  })

  test('goes with the account, and so does the invitation', async () => {
    const { worker, browser, path } = await startWithOlga()
    await removeUser(worker.context(), 'olga', null)
    expect((await create(browser, path)).status).toBe(403)
  })

  test('of a client is gone where it is disabled, or registered for less', async () => {
    const started = await startInviting()
    const { worker, browser } = started
    const { path } = await invite(started)
    const operator = await newClientToken(worker, 'manage', 'other')
    const patch = (body: object) => callApi(worker, operator, 'PATCH', '/v1/clients/boss', body)
    await patch({ scope: 'users:write' })
    expect((await create(browser, path)).html).toContain('can no longer give')
    await patch({ scope: 'manage' })
    expect((await create(browser, path)).status).toBe(303)
  })

  test('is what an invitation takes: of nobody who holds less', async () => {
    const started = await startInviting()
    const { worker } = started
    const few = await newClientToken(worker, 'users:write access:write', 'few')
    const post = (token: string, body: object) =>
      callApi(worker, token, 'POST', '/v1/invitations', { address: BEA, ...body })
    expect((await post(few, RIGHTS)).status).toBe(403)
    expect((await post(few, { groups: ['home'] })).status).toBe(201)
    await started.api('POST', '/v1/grants', { subject: 'home', role: 'operator', object: '*' })
    expect((await post(few, { groups: ['home'] })).status).toBe(403)
    // Rights take the scope with which grants and members are made.
    const people = await newClientToken(worker, 'users:write', 'people')
    const refused = await post(people, RIGHTS)
    expect([refused.status, String(refused.body['detail'])]).toEqual([
      403,
      expect.stringContaining('access:write'),
    ])
    expect((await post(people, {})).status).toBe(201)
    const { id } = await invite(started)
    for (const [method, path] of [
      ['DELETE', `/v1/invitations/${id}`],
      ['POST', `/v1/invitations/${id}/send`],
    ] as const) {
      expect((await callApi(worker, few, method, path)).status).toBe(403)
    }
  })

  test('gives nothing of a role or a group that is gone', async () => {
    const started = await startInviting()
    const { path } = await invite(started)
    await started.api('DELETE', '/v1/groups/home')
    const done = await create(started.browser, path)
    expect([done.status, done.html.includes('can no longer give')]).toEqual([403, true])
    expect(await usersNamed(started.worker, BEA)).toEqual([])
  })
})

describe('operators', () => {
  test('see invitations, the newest first, and those of an address', async () => {
    const started = await startInviting()
    const ids = []
    for (const address of [BEA, 'eva@example.com', 'BEA@example.com']) {
      ids.push((await invite(started, { address })).id)
      started.worker.clock.now += 1
    }
    const list = async (query: string) => {
      const { body } = await started.api('GET', `/v1/invitations?${query}`)
      return body as { items: { id: string }[]; next_cursor: string | null }
    }
    const first = await list('limit=2')
    expect(first.items.map(({ id }) => id)).toEqual([ids[2], ids[1]])
    const second = await list(`limit=2&cursor=${first.next_cursor}`)
    expect(second.items.map(({ id }) => id)).toEqual([ids[0]])
    const ofBea = await list(`address=${BEA}`)
    expect(ofBea.items.map(({ id }) => id)).toEqual([ids[2], ids[0]])
    expect(JSON.stringify(first)).not.toMatch(/hash|token/)
  })

  test('are told what is not there', async () => {
    const { api } = await startInviting()
    const refused = await api('POST', '/v1/invitations', {
      address: BEA,
      grants: [
        { role: 'nobody', object: '*' },
        { role: 'resident', object: 'nowhere' },
      ],
      groups: ['none'],
    })
    expect(refused.status).toBe(400)
    const errors = refused.body['errors'] as { pointer: string }[]
    expect(errors.map(({ pointer }) => pointer)).toEqual([
      '/grants/0/role',
      '/grants/1/object',
      '/groups/0',
    ])
  })

  test('invite nobody to an account where nobody makes one, but people who have one', async () => {
    const started = await startInviting('off')
    const { worker, browser, api } = started
    expect((await api('POST', '/v1/invitations', { address: BEA })).status).toBe(409)
    const { path } = await invite(started, { address: ANN })
    await browser.signIn(ANN, PASSWORD)
    await browser.submit(await browser.get(path), { action: 'accept' })
    expect(await grantsOf(worker, ANN)).toHaveLength(1)
  })
})

test('sign-up by invitation alone has no form, and says how', async () => {
  const started = await startInviting()
  const { worker, browser } = started
  expect((await browser.get('/login')).html).not.toContain('/sign-up')
  const page = await browser.get('/sign-up')
  expect([page.status, page.html.includes('by invitation')]).toEqual([404, true])
  const { path } = await invite(started)
  await changeSettings(worker.context(), { sign_up: 'off' })
  worker.memory.clear()
  expect((await browser.get(path)).status).toBe(404)
  await changeSettings(worker.context(), { sign_up: 'open' })
  worker.memory.clear()
  expect((await create(browser, path)).status).toBe(303)
})
