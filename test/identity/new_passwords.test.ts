// The rule for new passwords, by the settings, at every place that sets one; and passwords that are
// known from leaks.
import { describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { changeSettings, type SettingsPatch } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { createPasswordLink } from '../../worker/identity/recovery.ts'
import { createSetupLink, ensureFirstOperator } from '../../worker/identity/setup.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator } from './authenticator.ts'
import { alertOf, Browser, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { eventsOf, startWithAnn } from './people.ts'

const BEA = 'bea@example.com'
const SHORT = 'plum tree in my dog' // 19 characters
const LONG = 'plum tree in my dogs'

const set = async (worker: TestWorker, patch: SettingsPatch) => {
  await changeSettings(worker.context(), patch)
  worker.memory.clear()
}

const pathOf = (worker: TestWorker, url: string | null) =>
  (url ?? '').slice(worker.config.issuer.length)

type Attempt = { shown: Page; answer: (password: string) => Promise<Page> }

/** Pages that set a password, as somebody meets them who has no second factor. */
const PAGES: Readonly<Record<string, (worker: TestWorker) => Promise<Attempt>>> = {
  'sign-up': async (worker) => {
    await set(worker, { sign_up: 'open' })
    const browser = new Browser(worker)
    await browser.submit(await browser.get('/sign-up'), { email: BEA, action: 'send' })
    const [mail] = await mailsOf(worker)
    const link = linkIn(mail as Mail)
    return form(browser, link.pathname + link.search, { action: 'create' })
  },
  recovery: async (worker) => {
    const { url } = await createPasswordLink(worker.context(), 'ann')
    return form(new Browser(worker), pathOf(worker, url), { action: 'save' })
  },
  'a change': async (worker) => {
    const browser = new Browser(worker)
    await browser.signIn(ANN, PASSWORD)
    return form(browser, '/account/password', { present: PASSWORD })
  },
  'a change that is demanded': async (worker) => {
    const browser = new Browser(worker)
    await browser.signIn(ANN, PASSWORD)
    await changeUser(worker.context(), 'ann', { must_change_password: true }, null)
    const door = await browser.get('/account')
    const typed = { password: PASSWORD, action: 'save' }
    return form(browser, door.headers.get('location') ?? '', typed, 'new_password')
  },
  'the undoing of a change of address': async (worker) => {
    const browser = new Browser(worker)
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/email')
    await browser.submit(page, { email: 'other@example.com', action: 'send' })
    const asked = (await mailsOf(worker)).find(({ kind }) => kind === 'verify_address')
    const link = linkIn(asked as Mail)
    const confirming = await browser.get(link.pathname + link.search)
    await browser.submit(confirming, { action: 'confirm' })
    const told = (await mailsOf(worker)).find(({ kind }) => kind === 'address_changed')
    const undo = linkIn(told as Mail)
    return form(new Browser(worker), undo.pathname + undo.search, { action: 'undo' })
  },
  'set-up': async (worker) => {
    const url = await createSetupLink(worker.context())
    const typed = { username: 'boss@example.com', action: 'create' }
    return form(new Browser(worker), pathOf(worker, url), typed)
  },
}

async function form(
  browser: Browser,
  path: string,
  typed: Record<string, string>,
  field = 'password',
): Promise<Attempt> {
  const shown = await browser.get(path)
  expect(shown.status).toBe(200)
  return { shown, answer: (password) => browser.submit(shown, { ...typed, [field]: password }) }
}

describe('the least length of a new password', () => {
  test.each(Object.entries(PAGES))('is that of the setting: %s', async (_, open) => {
    const { worker } = await startWithAnn()
    await set(worker, { password_min_length: 20 })
    const { shown, answer } = await open(worker)
    expect(shown.html).toContain('minlength="20"')
    expect(shown.html).toContain('At least 20 characters')
    const refused = await answer(SHORT)
    expect([refused.status, alertOf(refused)]).toEqual([
      400,
      'The password must have at least 20 characters.',
    ])
    expect(refused.html).toContain('minlength="20"')
    expect((await answer(LONG)).status).toBeLessThan(400)
  })

  test.each(Object.entries(PAGES))('may be eight: %s', async (_, open) => {
    const { worker } = await startWithAnn()
    await set(worker, { password_min_length: 8 })
    const { shown, answer } = await open(worker)
    expect(shown.html).toContain('minlength="8"')
    for (const password of ['plum tr', 'password1', 'Qwerty123', '12345678', 'iloveyou!!']) {
      expect((await answer(password)).status, password).toBe(400)
    }
    expect((await answer('plum tre')).status).toBeLessThan(400)
  })

  test.each(['recovery', 'a change', 'a change that is demanded'])(
    'has a setting of its own for a person with a second factor: %s',
    async (name) => {
      const { worker, browser } = await startWithAnn()
      await changeUser(worker.context(), 'ann', { email_verified: true }, null)
      const open = PAGES[name]
      if (open === undefined) throw new Error(name)
      await browser.signIn(ANN, PASSWORD)
      // The factor comes while the browser of the test is signed in.
      const withFactor = async () => {
        const one = new Browser(worker)
        await one.signIn(ANN, PASSWORD)
        if (name === 'recovery') {
          await addAuthenticator(worker, browser)
          return open(worker)
        }
        if (name === 'a change') {
          await addAuthenticator(worker, browser)
          return form(one, '/account/password', { present: PASSWORD })
        }
        await addAuthenticator(worker, browser)
        await changeUser(worker.context(), 'ann', { must_change_password: true }, null)
        const door = await one.get('/account')
        const typed = { password: PASSWORD, action: 'save' }
        return form(one, door.headers.get('location') ?? '', typed, 'new_password')
      }
      await set(worker, { password_min_length_with_factor: 10 })
      const { shown, answer } = await withFactor()
      expect(shown.html).toContain('minlength="10"')
      expect(alertOf(await answer('plum tree'))).toContain('10')
      expect((await answer('plum trees')).status).toBeLessThan(400)
    },
  )

  test('is the one beside a second factor where everybody has to add one', async () => {
    const { worker } = await startWithAnn()
    await set(worker, { require_factor: 'everybody' })
    const { shown, answer } = await (PAGES['sign-up'] as (w: TestWorker) => Promise<Attempt>)(
      worker,
    )
    expect(shown.html).toContain('minlength="8"')
    expect((await answer('plum trees')).status).toBe(303)
  })

  test('counts no factor that goes with the new password', async () => {
    const { worker, browser } = await startWithAnn()
    await changeUser(worker.context(), 'ann', { email_verified: false }, null)
    await browser.signIn(ANN, PASSWORD)
    await addAuthenticator(worker, browser)
    // The address was never proven: whoever opens the mail drops the factors.
    const asking = new Browser(worker)
    await asking.submit(await asking.get('/recover'), { email: ANN, action: 'send' })
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'recovery')
    const link = linkIn(mail as Mail)
    const { shown, answer } = await form(asking, link.pathname + link.search, { action: 'save' })
    expect(shown.html).toContain('minlength="15"')
    expect((await answer('plum trees')).status).toBe(400)
  })

  test('holds for the API, the blueprint and the first operator', async () => {
    const worker = await startWorker()
    await set(worker, { password_min_length: 20 })
    const cx = worker.context()
    await expect(ensureFirstOperator(cx, 'boss@example.com', SHORT)).rejects.toMatchObject({
      errors: [{ pointer: '/password', detail: 'must have at least 20 characters' }],
    })
    const token = await newClientToken(worker)
    const create = (password: string) =>
      callApi(worker, token, 'POST', '/v1/users', { email: BEA, password })
    const refused = await create(SHORT)
    expect([refused.status, refused.body['errors']]).toEqual([
      400,
      [{ pointer: '/password', detail: 'must have at least 20 characters' }],
    ])
    expect((await create('seven c')).status).toBe(400)
    expect((await create(LONG)).status).toBe(201)
    const document = { users: [{ email: 'cleo@example.com', password: SHORT }] }
    await expect(applyBlueprint(cx, document, {})).rejects.toThrow('users[0].password')
    // The file says what counts from now on.
    const both = { ...document, settings: { password_min_length: 19 } }
    expect((await applyBlueprint(cx, both, {})).changes).toContain('created user cleo@example.com')
  })

  test('lets passwords that are there go on', async () => {
    const { worker, browser } = await startWithAnn()
    await createPerson(worker.context(), { id: 'old', email: BEA, password: PASSWORD })
    await set(worker, { password_min_length: 128 })
    expect((await browser.signIn(BEA, PASSWORD)).status).toBe(303)
  })

  test('is at least eight', async () => {
    const worker = await startWorker()
    const token = await newClientToken(worker)
    for (const name of ['password_min_length', 'password_min_length_with_factor']) {
      const answer = await callApi(worker, token, 'PATCH', '/v1/settings', { [name]: 7 })
      expect([name, answer.status]).toEqual([name, 400])
    }
  })
})

describe('passwords that are known from leaks', () => {
  const SERVICE = 'https://leaks.example/range'
  // SHA-1 of LONG, by another implementation.
  const digest = async (text: string) => {
    const bytes = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))
    return [...new Uint8Array(bytes)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('')
      .toUpperCase()
  }

  async function startAsked(body: (rest: string) => string) {
    const whole = await digest(LONG)
    const asked: Request[] = []
    const worker = await startWorker(
      {},
      {
        outside: {
          [`${SERVICE}/${whole.slice(0, 5)}`]: async (request) => {
            asked.push(request)
            return new Response(body(whole.slice(5)))
          },
        },
      },
    )
    await set(worker, { breached_passwords_url: SERVICE })
    const token = await newClientToken(worker)
    const create = (password: string) =>
      callApi(worker, token, 'POST', '/v1/users', { email: BEA, password })
    return { worker, asked, create, whole }
  }

  const OTHER = '0018A45C4D1DEF81644B54AB7F969B88D65'

  test('are refused, with words; the service sees five digits and asks for padding', async () => {
    const { asked, create, whole } = await startAsked((rest) => `${OTHER}:1\r\n${rest}:52579\r\n`)
    const refused = await create(LONG)
    expect([refused.status, refused.body['errors']]).toEqual([
      400,
      [
        {
          pointer: '/password',
          detail: 'is known from a leak; choose four or five random words',
        },
      ],
    ])
    expect(asked.map(({ url }) => url)).toEqual([`${SERVICE}/${whole.slice(0, 5)}`])
    expect(asked[0]?.headers.get('add-padding')).toBe('true')
  })

  test('are told to a person in words', async () => {
    const { worker } = await startAsked((rest) => `${rest}:2`)
    await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
    const { url } = await createPasswordLink(worker.context(), 'ann')
    const { answer } = await form(new Browser(worker), pathOf(worker, url), { action: 'save' })
    const refused = await answer(LONG)
    expect(refused.status).toBe(400)
    expect(alertOf(refused)).toBe(
      'The password is known from a leak, so it would be guessed. Choose four or five random words.',
    )
  })

  test('are not those that only fill up, nor those of another rest', async () => {
    const { create } = await startAsked((rest) => `${rest}:0\r\n${OTHER}:3`)
    expect((await create(LONG)).status).toBe(201)
  })

  test('are looked up last: a password that breaks another rule is sent to nobody', async () => {
    const { asked, create } = await startAsked((rest) => `${rest}:1`)
    expect((await create('short')).status).toBe(400)
    expect((await create('passwordpassword')).status).toBe(400)
    expect(asked).toEqual([])
  })

  test.each([
    ['an answer that is no range', () => '<html>Sign in to the network</html>'],
    ['an empty answer', () => ''],
    ['an answer with one line that is none', (rest: string) => `${rest}:1\nNope`],
    ['an answer without end', (rest: string) => `${rest}:1\r\n`.repeat(10_000)],
  ])('stop nobody: %s', async (_, body) => {
    const { worker, create } = await startAsked(body)
    worker.clock.now -= worker.clock.now % 60
    expect((await create(LONG)).status).toBe(201)
    await worker.settled()
    const events = await eventsOf(worker)
    expect(events.filter(({ type }) => type === 'breached_passwords.unavailable')).toHaveLength(1)
  })

  test('stop nobody where nothing answers, and one event counts how often in a minute', async () => {
    const { worker, create } = await startAsked(() => '')
    worker.clock.now -= worker.clock.now % 60
    for (let i = 0; i < 3; i++) {
      await create(`other password number ${i}`)
      await worker.settled()
    }
    const events = (await eventsOf(worker)).filter(
      ({ type }) => type === 'breached_passwords.unavailable',
    )
    expect(events.map(({ data }) => JSON.parse(data))).toEqual([
      { reason: 'unreachable', count: 3, last_at: worker.clock.now },
    ])
  })

  test('are not looked up where no service is set', async () => {
    const { worker, asked, create } = await startAsked((rest) => `${rest}:1`)
    await set(worker, { breached_passwords_url: '' })
    expect((await create(LONG)).status).toBe(201)
    expect(asked).toEqual([])
    const rows = await worker.context().db.read(sql`select 1 from event
      where type = 'breached_passwords.unavailable'`)
    expect(rows).toEqual([])
  })

  test.each([
    'http://leaks.example/range',
    'https://leaks.example/range?x=1',
    'https://leaks.example/range#x',
    'ftp://leaks.example/range',
    'leaks.example/range',
    'https://',
  ])('come from an https address: %s is refused', async (breached_passwords_url) => {
    const worker = await startWorker()
    const token = await newClientToken(worker)
    const answer = await callApi(worker, token, 'PATCH', '/v1/settings', { breached_passwords_url })
    expect(answer.status).toBe(400)
  })

  test('come from no address inside', async () => {
    const { worker, create } = await startAsked((rest) => `${rest}:1`)
    await set(worker, { breached_passwords_url: 'https://10.0.0.1/range' })
    expect((await create(LONG)).status).toBe(201)
    await worker.settled()
    const [event] = (await eventsOf(worker)).filter(
      ({ type }) => type === 'breached_passwords.unavailable',
    )
    expect(event?.data).toContain('private_address')
  })
})
