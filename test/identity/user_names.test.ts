// User names, and the names of a user at /v1: who has no address signs in by a name that an
// operator gave.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { userNameFault, userNameKey } from '../../worker/identity/login_ids/user_names.ts'
import { createUser } from '../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { Browser } from './browser.ts'
import { mailsOf } from './mails.ts'
import { comparable, eventsOf, startWithAnn, WRONG } from './people.ts'

const LIZ = 'Grandma.Liz'

type Answer = { status: number; body: Record<string, unknown> & { items: Named[]; id: string } }
type Named = { id: string; kind: string; value: string; verified: boolean; is_primary: boolean }

async function startApi(worker: TestWorker) {
  const token = await newClientToken(worker)
  return async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const { status, body: answer } = await callApi(worker, token, method, path, body)
    return { status, body: answer as Answer['body'] }
  }
}

/** Ann, and Liz who has a user name and no address. */
async function startWithLiz() {
  const started = await startWithAnn()
  const cx = started.worker.context()
  await createPerson(cx, { id: 'liz', user_name: LIZ, password: PASSWORD })
  return { ...started, cx, api: await startApi(started.worker) }
}

describe('a user name', () => {
  const FAULTS = [
    ['an address', 'liz@example.com'],
    ['one letter', 'l'],
    ['a space', 'grandma liz'],
    ['a joiner', 'li\u200dz'],
    ['a direction', 'liz\u202e'],
    ['two scripts', 'lі\u0437'],
    ['a Cyrillic а in Latin', 'm\u0430ria'],
    ['Cyrillic letters that all look Latin', '\u0430\u0441\u0435'],
    ['Greek letters that all look Latin', '\u03bf\u03bd\u03bf'],
    ['Arabic digits', 'liz٣'],
    ['digits alone', '12345'],
    ['a sign in front', '-liz'],
    ['a long one', 'x'.repeat(65)],
    ['one that normalising makes long', '\ufdfa'.repeat(10)],
    ['a slash', 'liz/x'],
    ['U+0000', 'li\0z'],
  ] as const
  test.each(FAULTS)('cannot be %s', (_, name) => expect(userNameFault(name)).not.toBeNull())

  test.each([
    'Liz',
    'grandma.liz',
    'oma_2',
    'Мария',
    'Ελένη',
    'たろう',
    '山田タロウ',
    'علي',
    '민준',
  ])('can be %s', (name) => expect(userNameFault(name)).toBeNull())

  test('is one in every spelling', () => {
    for (const name of ['LIZ', 'liz', 'ＬＩＺ', ' Liz ']) expect(userNameKey(name)).toBe('liz')
  })

  test('signs in, in any spelling, with two round trips and no address', async () => {
    const { worker, cx } = await startWithLiz()
    const browser = new Browser(worker)
    const page = await browser.get('/login')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      browser.submit(page, { username: 'GRANDMA.LIZ', password: PASSWORD }),
    )
    expect([value.status, roundTrips]).toEqual([303, 2])
    expect((await browser.get('/account')).html).toContain(LIZ)
    expect(await cx.db.read(sql`select email, email_key from user where id = 'liz'`)).toEqual([
      { email: '', email_key: '@liz' },
    ])
  })

  test('shows by no answer whether it exists, nor by the count', async () => {
    const { worker } = await startWithLiz()
    const seen = []
    for (const username of [LIZ, 'nobody', ANN]) {
      const browser = new Browser(worker)
      const page = await browser.get('/login')
      for (let i = 0; i < 11; i++) {
        const { value, roundTrips } = await countRoundTrips(worker, () =>
          browser.submit(page, { username, password: WRONG }),
        )
        seen.push([value.status, comparable(value).replaceAll(username, 'NAME'), roundTrips])
      }
    }
    expect(seen.slice(11, 22)).toEqual(seen.slice(0, 11))
    expect(seen.slice(22)).toEqual(seen.slice(0, 11))
  })

  test('counts guesses together with the other names of the person', async () => {
    const { worker, api } = await startWithLiz()
    await api('POST', '/v1/users/ann/login_ids', { kind: 'user_name', value: 'ann' })
    const answers = []
    for (let i = 0; i < 12; i++) {
      answers.push((await new Browser(worker).signIn(i % 2 === 0 ? ANN : 'ann', WRONG)).status)
    }
    expect(answers.slice(0, 10)).toEqual(Array(10).fill(403))
    expect(answers.slice(10)).toEqual([429, 429])
  })

  test('signs nobody in where the setting leaves it out, as an address', async () => {
    const { worker, cx } = await startWithLiz()
    expect((await new Browser(worker).get('/login')).html).toContain('E-mail address or user name')
    await changeSettings(cx, { sign_in_names: ['email'] })
    worker.memory.clear()
    expect((await new Browser(worker).get('/login')).html).not.toContain('user name')
    expect((await new Browser(worker).signIn(LIZ, PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    await changeSettings(cx, { sign_in_names: ['user_name'], sign_in_links: 'on' })
    worker.memory.clear()
    expect((await new Browser(worker).signIn(LIZ, PASSWORD)).status).toBe(303)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).get('/login/link')).status).toBe(404)
  })

  test('gets no mail: who asks for one sees the answer of everybody', async () => {
    const { worker, cx, api } = await startWithLiz()
    await changeSettings(cx, { sign_in_links: 'on' })
    worker.memory.clear()
    for (const path of ['/recover', '/login/link']) {
      const browser = new Browser(worker)
      const form = await browser.get(path)
      const page = await browser.submit(form, { email: 'liz@nowhere.example', action: 'send' })
      expect(page.status).toBe(200)
    }
    expect(await mailsOf(worker)).toEqual([])
    const sent = await api('POST', '/v1/users/liz/reset', { send: true })
    expect([sent.status, sent.body['type']]).toMatchObject([409, 'urn:allauth:problem:conflict'])
    expect((await api('POST', '/v1/users/liz/reset', {})).status).toBe(201)
  })
})

describe('/v1', () => {
  test('makes a user with a user name alone, or with both, and with neither none', async () => {
    const { api } = await startWithLiz()
    const tom = await api('POST', '/v1/users', { id: 'tom', user_name: 'Tom' })
    expect(tom.body).toMatchObject({ email: null, email_verified: false, user_name: 'Tom' })
    const both = { id: 'kim', user_name: 'kim', email: 'kim@example.com' }
    expect((await api('POST', '/v1/users', both)).body).toMatchObject(both)
    expect((await api('POST', '/v1/users', { name: 'Nobody' })).status).toBe(400)
    const twin = await api('POST', '/v1/users', { user_name: 'TOM' })
    expect([twin.status, twin.body['errors']]).toMatchObject([409, [{ pointer: '/user_name' }]])
  })

  test('gives, lists and takes names, each with its event', async () => {
    const { worker, api } = await startWithLiz()
    const path = '/v1/users/liz/login_ids'
    const home = await api('POST', path, { kind: 'email', value: 'Liz@Example.com' })
    const work = await api('POST', path, {
      kind: 'email',
      value: 'liz@work.example',
      verified: true,
    })
    await api('POST', path, { kind: 'phone', value: '+442071838750' })
    const names = async () =>
      (await api('GET', path)).body.items.map((one) => [one.value, one.verified, one.is_primary])
    expect(await names()).toEqual([
      ['Liz@Example.com', false, true],
      ['liz@work.example', true, false],
      ['+442071838750', false, false],
      [LIZ, true, false],
    ])
    expect((await api('DELETE', `${path}/${home.body.id}`)).status).toBe(409)
    expect((await api('POST', `${path}/${work.body.id}/primary`)).body).toMatchObject({
      is_primary: true,
    })
    expect((await api('GET', '/v1/users/liz')).body).toMatchObject({
      email: 'liz@work.example',
      email_verified: true,
    })
    expect((await api('DELETE', `${path}/${home.body.id}`)).status).toBe(204)
    expect(await names()).toHaveLength(3)
    for (const email of ['liz@work.example', LIZ]) {
      expect((await new Browser(worker).signIn(email, PASSWORD)).status).toBe(303)
    }
    expect((await new Browser(worker).signIn('liz@example.com', PASSWORD)).status).toBe(403)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types.filter((type) => /login_id|user\.updated/.test(type))).toEqual([
      ...Array(3).fill('user.login_id_added'),
      'user.updated',
      'user.login_id_removed',
    ])
  })

  test('leaves the last name, one user name, and no name twice', async () => {
    const { api } = await startWithLiz()
    const path = '/v1/users/liz/login_ids'
    const [name] = (await api('GET', path)).body.items
    expect((await api('DELETE', `${path}/${name?.id}`)).status).toBe(409)
    const add = async (body: object) => (await api('POST', path, body)).status
    expect(await add({ kind: 'user_name', value: 'liz.2' })).toBe(409)
    expect(await add({ kind: 'email', value: ANN, verified: true })).toBe(409)
    expect(await add({ kind: 'email', value: 'liz@example.com' })).toBe(201)
    expect(await add({ kind: 'email', value: 'LIZ@example.com' })).toBe(409)
    expect(await add({ kind: 'phone', value: '12' })).toBe(400)
    expect((await api('DELETE', `${path}/${name?.id}`)).status).toBe(204)
    expect((await api('GET', '/v1/users/liz')).body).toMatchObject({ user_name: null })
  })

  test('gives one user name to one of fifty parallel requests', async () => {
    const { worker, cx, api } = await startWithLiz()
    const ids = Array.from({ length: 5 }, (_, i) => `u${i}`)
    for (const id of ids) await createUser(cx, { id, email: `${id}@example.com` })
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        api('POST', `/v1/users/${ids[i % 5]}/login_ids`, { kind: 'user_name', value: 'Joe' }),
      ),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const rows = sql`select * from login_id where kind = 'user_name' and key = 'joe'`
    expect(await worker.context().db.read(rows)).toHaveLength(1)
  })

  test('an address that is not proven takes no mails unless it is the primary one', async () => {
    const { worker, api } = await startWithLiz()
    await api('POST', '/v1/users/ann/login_ids', { kind: 'email', value: 'typo@example.com' })
    const browser = new Browser(worker)
    await browser.submit(await browser.get('/recover'), { email: 'typo@example.com' })
    expect(await mailsOf(worker)).toEqual([])
  })

  test('a new password is asked for at any proven address, and the mail goes there', async () => {
    const { worker, api } = await startWithLiz()
    const work = { kind: 'email', value: 'Ann@Work.example', verified: true }
    await api('POST', '/v1/users/ann/login_ids', work)
    const browser = new Browser(worker)
    await browser.submit(await browser.get('/recover'), { email: 'ann@work.example' })
    const [mail] = await mailsOf(worker)
    expect(mail?.address).toBe('Ann@Work.example')
  })
})
