import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { readOwnFactors } from '../../../worker/identity/factors/own_factors.ts'
import {
  addPasskey as addPasskeyTo,
  offerPasskey,
} from '../../../worker/identity/passkeys/own_passkeys.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, CODES } from '../authenticator.ts'
import { alertOf, Browser, formFields } from '../browser.ts'
import { eventsOf, startWithAnn } from '../people.ts'
import {
  addEve,
  addPasskey,
  answer,
  reasonsOf,
  signInByIt,
  startWithPasskey,
} from './passkey_people.ts'
import { FLAGS, optionsOf, SoftwareAuthenticator } from './software_authenticator.ts'

const PAGE = '/account/security/passkey'

type Row = { id: string; name: string; user_id: string; transports: string; user_handle: string }

const passkeysOf = (worker: TestWorker) =>
  worker.context().db.read(sql<Row>`select * from factor where kind = 'passkey' order by rowid`)

/** Ann with a passkey, signed in by it, so that she may change her factors. */
async function startSignedIn(options: Parameters<typeof startWithPasskey>[0] = {}) {
  const started = await startWithPasskey(options)
  expect((await signInByIt(started.browser, started.authenticator)).status).toBe(303)
  return started
}

describe('adding a passkey', () => {
  test('asks for one that is found and verified by itself, and for no attestation', async () => {
    const { browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get(PAGE)
    expect(optionsOf(page)).toMatchObject({
      rp: { id: 'localhost', name: 'localhost' },
      user: { name: ANN, displayName: ANN },
      pubKeyCredParams: [
        { type: 'public-key', alg: -7 },
        { type: 'public-key', alg: -8 },
        { type: 'public-key', alg: -257 },
      ],
      excludeCredentials: [],
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      attestation: 'none',
    })
    expect(optionsOf(page).user?.id).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(page.html).toContain('<noscript>')
  })

  test('shows recovery codes with the first factor, once, and takes 1 and 2 round trips', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const authenticator = await SoftwareAuthenticator.make()
    const shown = await countRoundTrips(worker, () => browser.get(PAGE))
    const response = await authenticator.create(optionsOf(shown.value))
    const added = await countRoundTrips(worker, () => answer(browser, shown.value, response))
    // Two, and the sending of the mail behind the answer, which may have gone on meanwhile.
    expect([shown.roundTrips, Math.min(added.roundTrips, 3)]).toEqual([1, 3])
    expect([...added.value.html.matchAll(CODES)]).toHaveLength(10)
    await signInByIt(browser, authenticator)
    const second = await addPasskey(browser, await SoftwareAuthenticator.make())
    expect([second.status, second.headers.get('location')]).toEqual([303, '/account/security'])
    const rows = await passkeysOf(worker)
    expect(rows).toHaveLength(2)
    // One name of the person for all, so that an authenticator does not show two accounts.
    expect(new Set(rows.map(({ user_handle }) => user_handle)).size).toBe(1)
    expect(rows[0]?.user_handle).not.toContain('ann')
    expect(rows[0]?.transports).toBe('["hybrid","internal"]')
    expect(optionsOf(await browser.get(PAGE)).excludeCredentials).toHaveLength(2)
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'factor.added')
    expect(events.map(({ data }) => JSON.parse(data).kind)).toEqual(['passkey', 'passkey'])
  })

  test.each([
    ['ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4', 'Google Password Manager'],
    ['fbfc3007-154e-4ecc-8c0b-6e020557d7bd', 'Apple Passwords'],
    ['00000000-0000-0000-0000-000000000000', 'Passkey'],
    ['12345678-1234-1234-1234-123456789012', 'Passkey'],
  ])('names one of %s %j', async (aaguid, name) => {
    const { worker } = await startWithPasskey({ aaguid })
    expect(await passkeysOf(worker)).toMatchObject([{ name }])
  })

  test('needs a sign-in of the last minutes, with both factors where there is one', async () => {
    const { worker, browser, owner, authenticator } = await startSignedIn()
    // Signed in with the password alone, before the passkey was there.
    expect((await owner.get(PAGE)).headers.get('location')).toMatch(/^\/login\?return_to=/)
    const page = await browser.get(PAGE)
    const response = await (await SoftwareAuthenticator.make()).create(optionsOf(page))
    worker.clock.now += 601
    const late = await answer(browser, page, response)
    expect(late.headers.get('location')).toMatch(/^\/login\?return_to=/)
    expect(await passkeysOf(worker)).toHaveLength(1)
    expect((await new Browser(worker).get(PAGE)).headers.get('location')).toMatch(/^\/login/)
    expect((await signInByIt(browser, authenticator)).status).toBe(303)
    expect((await browser.get(PAGE)).status).toBe(200)
  })

  test.each([
    ['of another origin', { origin: 'https://evil.example' }, 'passkey_origin'],
    ['in a frame of another site', { crossOrigin: true }, 'passkey_origin'],
    ['for another host', { rpId: 'evil.example' }, 'passkey_rp_id'],
    ['of another ceremony', { type: 'webauthn.get' }, 'passkey_malformed'],
    ['without verification of the person', { without: FLAGS.UV }, 'passkey_unverified'],
    ['without a key', { without: FLAGS.AT }, 'passkey_malformed'],
    ['that is backed up but cannot be', { with: FLAGS.BS }, 'passkey_backup_state'],
  ])('takes none %s', async (_, wrong, reason) => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const refused = await addPasskey(browser, await SoftwareAuthenticator.make(), wrong)
    expect(refused.status).toBe(400)
    expect(alertOf(refused)).toContain('cannot be added')
    expect(reasonsOf(worker)).toEqual([reason])
    expect(await passkeysOf(worker)).toEqual([])
  })

  test('takes no key of another algorithm, and no point beside the curve', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    for (const change of [
      (data: string) => data.replace('a5010203262001', 'a501020338222001'), // ES384
      (data: string) => `${data.slice(0, -2)}${data.endsWith('00') ? '01' : '00'}`,
    ]) {
      const page = await browser.get(PAGE)
      const authenticator = await SoftwareAuthenticator.make()
      const response = await authenticator.create(optionsOf(page))
      const hex = Buffer.from(response.authenticatorData, 'base64url').toString('hex')
      const authenticatorData = Buffer.from(change(hex), 'hex').toString('base64url')
      expect(authenticatorData).not.toBe(response.authenticatorData)
      expect((await answer(browser, page, { ...response, authenticatorData })).status).toBe(400)
    }
    expect(await passkeysOf(worker)).toEqual([])
    expect(reasonsOf(worker)).toEqual(['passkey_algorithm', 'passkey_algorithm'])
  })

  test.each([
    ['a text', 'x'],
    ['forty thousand characters', `{"id":"${'A'.repeat(40_000)}"}`],
    ['an id that is not that of the key', ''],
  ])('takes no response that is %s', async (_, text) => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get(PAGE)
    const right = await (await SoftwareAuthenticator.make()).create(optionsOf(page))
    const response = text === '' ? { ...right, id: 'AAAA' } : text
    expect((await answer(browser, page, response)).status).toBe(400)
    expect(await passkeysOf(worker)).toEqual([])
  })

  test('takes no id that another account has, and leaves that one as it is', async () => {
    const { worker, browser, authenticator } = await startSignedIn()
    const { authenticator: hers } = await addEve(worker)
    const before = await passkeysOf(worker)
    const copy = await SoftwareAuthenticator.make({ id: hers.id })
    const refused = await addPasskey(browser, copy)
    expect([refused.status, alertOf(refused)]).toEqual([
      400,
      'This passkey cannot be added. It may be there already: look at your list.',
    ])
    expect(await passkeysOf(worker)).toEqual(before)
    expect((await signInByIt(new Browser(worker), hers)).status).toBe(303)
    // One's own is taken as well, in the same words.
    const again = await addPasskey(browser, authenticator)
    expect(alertOf(again)).toBe(alertOf(refused))
  })

  test('an answer is taken once, though two hundred come at once with other ids', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get(PAGE)
    const responses = await Promise.all(
      Array.from({ length: 20 }, async () =>
        (await SoftwareAuthenticator.make()).create(optionsOf(page)),
      ),
    )
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) =>
        answer(browser, page, responses[i % 20] ?? '').then(({ status }) => status),
      ),
    )
    expect(answers.filter((status) => status === 200)).toHaveLength(1)
    expect(await passkeysOf(worker)).toHaveLength(1)
  })

  test('takes ten factors of a person and no more, also when thirty come at once', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    // So that those that come behind the first need no second factor.
    await worker.context().db.write(sql`update session set amr = '["pwd","hwk","mfa"]'`)
    const pages = await Promise.all(Array.from({ length: 30 }, () => browser.get(PAGE)))
    const responses = await Promise.all(
      pages.map(async (page) => (await SoftwareAuthenticator.make()).create(optionsOf(page))),
    )
    await Promise.all(pages.map((page, i) => answer(browser, page, responses[i] ?? '')))
    expect(await passkeysOf(worker)).toHaveLength(10)
    const more = await addPasskey(browser, await SoftwareAuthenticator.make())
    expect(alertOf(more)).toBe('You have as many as there can be. Remove one first.')
  })

  test('takes nothing from a person who lacks something by then', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get(PAGE)
    const response = await (await SoftwareAuthenticator.make()).create(optionsOf(page))
    await worker.context().db.write(sql`update user set must_change_password = 1`)
    const late = await answer(browser, page, response)
    expect(late.headers.get('location')).toMatch(/^\/continue\?/)
    expect(await passkeysOf(worker)).toEqual([])
  })

  test('an answer counts in the session, and for the person that was asked', async () => {
    const { worker, browser } = await startSignedIn()
    const { browser: eve, authenticator: hers } = await addEve(worker)
    expect((await signInByIt(eve, hers)).status).toBe(303)
    const page = await browser.get(PAGE)
    const authenticator = await SoftwareAuthenticator.make()
    const response = await authenticator.create(optionsOf(page))
    const own = await eve.get(PAGE)
    expect((await answer(eve, own, response)).status).toBe(400)
    const renamed = await browser.submit(page, {
      passkey: JSON.stringify(response),
      user_handle: formFields(own)['user_handle'] ?? '',
    })
    expect(renamed.status).toBe(400)
    expect((await answer(browser, page, response)).status).toBe(303)
    await worker
      .context()
      .db.write(sql`delete from factor where credential_id = ${authenticator.id}`)
    expect((await answer(browser, page, response)).status).toBe(400)
    expect(await passkeysOf(worker)).toHaveLength(2)
  })

  test('two hundred parallel uses of one answer add one', async () => {
    const { worker, browser } = await startSignedIn()
    const page = await browser.get(PAGE)
    const response = await (await SoftwareAuthenticator.make()).create(optionsOf(page))
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => (await answer(browser, page, response)).status),
    )
    expect(answers.filter((status) => status === 303)).toHaveLength(1)
    expect(await passkeysOf(worker)).toHaveLength(2)
  })

  test('adds none to a session that ended meanwhile', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get(PAGE)
    const response = await (await SoftwareAuthenticator.make()).create(optionsOf(page))
    await worker.context().db.write(sql`delete from session`)
    const late = await answer(browser, page, response)
    expect(late.headers.get('location')).toMatch(/^\/login/)
    expect(await passkeysOf(worker)).toEqual([])
    // Nor between reading and writing.
    await browser.signIn(ANN, PASSWORD)
    const cx = worker.context()
    const own = await readOwnFactors(cx, browser.cookies.get('session'))
    const offer = own === null ? null : await offerPasskey(cx, own)
    if (own === null || offer === null) throw new Error('nothing is offered')
    const made = JSON.stringify(await (await SoftwareAuthenticator.make()).create(offer))
    await cx.db.write(sql`delete from session`)
    const input = { response: made, user_handle: offer.user.id, name: 'Passkey' }
    expect(await addPasskeyTo(cx, own, input)).toEqual({
      outcome: 'refused',
      reason: 'passkey_taken',
    })
    expect(await passkeysOf(worker)).toEqual([])
  })
})

describe('the page of a person’s passkeys', () => {
  test('renames one', async () => {
    const { worker, browser } = await startSignedIn()
    const page = await browser.get('/account/security')
    expect(page.html).toContain('Passkey')
    const [row] = await passkeysOf(worker)
    const fields = { factor: row?.id ?? '', action: 'rename' }
    const done = await browser.submit(page, { ...fields, name: 'Blue key' })
    expect(done.status).toBe(303)
    expect((await browser.get('/account/security')).html).toContain('Blue key')
    for (const name of ['', 'a\u202eb', 'x'.repeat(61)]) {
      const refused = await browser.submit(page, { ...fields, name })
      expect([refused.status, alertOf(refused)]).toEqual([
        400,
        'Give it a name of at most 60 characters that can be seen.',
      ])
    }
    expect(await passkeysOf(worker)).toMatchObject([{ name: 'Blue key' }])
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types.filter((type) => type === 'factor.renamed')).toHaveLength(1)
  })

  test('renames and removes nothing of another person', async () => {
    const { worker, browser } = await startSignedIn()
    await addEve(worker)
    const rows = await passkeysOf(worker)
    const hers = rows.find(({ user_id }) => user_id === 'eve')?.id ?? ''
    const page = await browser.get('/account/security')
    await browser.submit(page, { factor: hers, name: 'mine', action: 'rename' })
    await browser.submit(page, { factor: hers, action: 'remove' })
    expect(await passkeysOf(worker)).toEqual(rows)
  })

  test('removes one, with which nobody signs in any more', async () => {
    const { worker, browser, authenticator } = await startSignedIn()
    const [row] = await passkeysOf(worker)
    const page = await browser.get('/account/security')
    const done = await browser.submit(page, { factor: row?.id ?? '', action: 'remove' })
    expect(done.status).toBe(303)
    expect((await browser.get('/account/security')).html).toContain('You have none yet.')
    expect(await worker.context().db.read(sql`select * from recovery_code`)).toEqual([])
    expect((await signInByIt(new Browser(worker), authenticator)).status).toBe(403)
    const removed = (await eventsOf(worker)).filter(({ type }) => type === 'factor.removed')
    expect(removed.map(({ data }) => JSON.parse(data).kind)).toEqual(['passkey'])
  })

  test('keeps the last way in of a person without a password, with words', async () => {
    const { worker, authenticator } = await startWithPasskey()
    await worker.context().db.write(sql`update user set password = null where id = 'ann'`)
    const browser = new Browser(worker)
    expect((await signInByIt(browser, authenticator)).status).toBe(303)
    const remove = async (i: number) => {
      const [first, second] = await passkeysOf(worker)
      const factor = (i === 0 ? first : second)?.id ?? ''
      return browser.submit(await browser.get('/account/security'), { factor, action: 'remove' })
    }
    // An app signs nobody in.
    await addAuthenticatorTo(worker, browser)
    const kept = await remove(0)
    expect([kept.status, alertOf(kept)]).toEqual([
      400,
      'This passkey is your only way in. Add another one before you remove it.',
    ])
    expect(await passkeysOf(worker)).toHaveLength(1)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).not.toContain('factor.removed')
    await addPasskey(browser, await SoftwareAuthenticator.make())
    expect((await remove(0)).status).toBe(303)
    expect((await remove(0)).status).toBe(400)
    expect(await passkeysOf(worker)).toHaveLength(1)
  })

  test('two passkeys removed at the same moment leave one to a person without a password', async () => {
    const { worker, authenticator } = await startWithPasskey()
    await worker.context().db.write(sql`update user set password = null where id = 'ann'`)
    const browser = new Browser(worker)
    await signInByIt(browser, authenticator)
    await addPasskey(browser, await SoftwareAuthenticator.make())
    const page = await browser.get('/account/security')
    const rows = await passkeysOf(worker)
    const answers = await Promise.all(
      rows.map(({ id }) => browser.submit(page, { factor: id, action: 'remove' })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 400])
    expect(await passkeysOf(worker)).toHaveLength(1)
  })
})

/** Adds an app to a person who has a factor: no recovery codes are shown then. */
async function addAuthenticatorTo(worker: TestWorker, browser: Browser) {
  const before = await worker
    .context()
    .db.read(sql<{ n: number }>`select count(*) as n from factor`)
  await addAuthenticator(worker, browser).catch(() => undefined)
  const after = await worker.context().db.read(sql<{ n: number }>`select count(*) as n from factor`)
  expect((after[0]?.n ?? 0) - (before[0]?.n ?? 0)).toBe(1)
}
