// A copy of a person's data: all that is kept, no secret, piece by piece.
import { getTableColumns, getTableName } from 'drizzle-orm'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { describe, expect, test } from 'vitest'
import * as eventSchema from '../../worker/db/event_schema.ts'
import * as factorSchema from '../../worker/db/factor_schema.ts'
import * as oauthSchema from '../../worker/db/oauth_schema.ts'
import * as peopleSchema from '../../worker/db/people_schema.ts'
import * as schema from '../../worker/db/schema.ts'
import { sql } from '../../worker/db/sql.ts'
import { exportUser } from '../../worker/identity/export/data_export.ts'
import { EXPORT_SECTIONS } from '../../worker/identity/export/export_sections.ts'
import { EXPORT_FIELDS } from '../../worker/pages/account/export_page.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { publishTerms } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator, codeAt } from './authenticator.ts'
import type { Browser, Page } from './browser.ts'
import { eventsOf, startWithAnn } from './people.ts'

type Export = Record<string, Record<string, unknown>[]>

const take = async (browser: Browser, action: string): Promise<Page> =>
  browser.submit(await browser.get('/account/export'), { action })

/** Ann with something in every part. */
async function startWithMuch() {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const { key, codes } = await addAuthenticator(worker, browser)
  await browser.submit(await browser.get('/recover'), { email: ANN, action: 'send' })
  await worker.settled()
  worker.clock.now += 60
  const verify = await browser.signIn(ANN, PASSWORD, '/login?return_to=%2Faccount%2Fexport')
  const code = await codeAt(key, worker.clock.now)
  await browser.submit(await browser.get(verify.headers.get('location') ?? ''), {
    code,
    action: 'verify',
  })
  const cx = worker.context()
  const { now } = worker.clock
  await publishTerms(worker)
  const api = await newClientToken(worker)
  const make = (path: string, body: object) => callApi(worker, api, 'POST', path, body)
  await make('/v1/groups', { id: 'home', name: 'Garden Street' })
  await make('/v1/groups', { id: 'cellar', name: 'Cellar', parent_id: 'home' })
  await make('/v1/groups', { id: 'team', name: 'Team' })
  await make('/v1/groups', { id: 'elsewhere', name: 'Elsewhere' })
  await make('/v1/groups/team/members', { id: 'ann' })
  await make('/v1/roles', { name: 'resident', permissions: ['device:read'] })
  await make('/v1/grants', { subject: 'ann', role: 'resident', object: 'home' })
  await make('/v1/device-types', { name: 'lamp' })
  await make('/v1/devices', { id: 'lamp-1', type: 'lamp', groups: ['cellar'] })
  await make('/v1/devices', { id: 'lamp-2', type: 'lamp', groups: ['elsewhere'] })
  await make('/v1/clients', { client_id: 'app', redirect_uris: ['https://a.example/cb'] })
  await cx.db.write([
    sql`insert into allowed_scope (user_id, client_id, resource, scope, created_at)
      values ('ann', 'app', '', 'openid', ${now})`,
    sql`insert into authorization (id, user_id, client_id, scope, resource, auth_time, amr, head,
        created_at, last_used_at, expires_at, offline, epoch)
      values ('aut_1', 'ann', 'app', 'openid', '[]', ${now}, '["pwd"]', 'hash-of-a-token', ${now},
        ${now}, ${now + 60}, 1, 0)`,
    sql`insert into device_authorization (hash, user_code_mac, client_id, scope, resource, status,
        user_id, authorization_id, interval, created_at, expires_at)
      values ('hash-of-a-code', 'mac-of-a-code', 'app', 'openid', '[]', 'allowed', 'ann', 'aut_2', 5,
        ${now}, ${now + 60})`,
    sql`insert into trusted_browser (hash, user_id, epoch, trusted_at, address, user_agent)
      values ('hash-of-a-browser', 'ann', 0, ${now}, '192.0.2.9', 'Firefox')`,
    sql`insert into failed_sign_in (user_id, count, last_at, before_count, before_at, rid)
      values ('ann', 1, ${now}, 2, 5, 'r')`,
    sql`insert into invitation (id, hash, address, address_key, invited_by, inviter, inviter_epoch,
        grants, "groups", valid_for, created_at, expires_at, used_by, accepted_at, accepted_by)
      values ('inv_1', 'hash-of-a-link', ${ANN}, ${ANN}, 'boss', '{}', 0, '[]', '["home"]', 60, ${now},
        ${now + 60}, 'r', ${now}, 'ann')`,
    sql`insert into place_transfer (id, hash, group_id, address, address_key, role, end_credentials,
        end_tokens, invited_by, inviter, inviter_epoch, created_at, expires_at, accepted_at, accepted_by)
      values ('trf_1', 'hash-of-an-offer', 'home', ${ANN}, ${ANN}, 'owner', 0, 0, 'boss', '{}', 0, ${now},
        ${now + 60}, ${now}, 'ann')`,
    sql`insert into place_account (user_id, group_id, created_at) values ('ann', 'home', ${now})`,
    sql`insert into consent_decision (id, user_id, key, version, round, locale, decision, decided_at,
        address) values ('cns_1', 'ann', 'terms', '1', 0, 'en', 'accepted', ${now}, '192.0.2.9')`,
  ])
  await createPerson(cx, { id: 'bob', email: 'bob@example.com', password: PASSWORD })
  return { worker, browser, key, codes, api }
}

describe('a person who wants a copy', () => {
  test('gets every part, and nothing of anybody else', async () => {
    const { worker, browser } = await startWithMuch()
    const page = await take(browser, 'json')
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(page.headers.get('content-disposition')).toBe('attachment; filename="my-data.json"')
    const { issuer, exported_at, ...parts } = JSON.parse(page.html) as Export
    expect([issuer, exported_at]).toEqual([worker.config.issuer, expect.any(Number)])
    expect(Object.keys(parts)).toEqual(EXPORT_SECTIONS.map(({ name }) => name))
    for (const [name, rows] of Object.entries(parts)) expect(rows, name).not.toEqual([])
    expect(parts['account']).toMatchObject([{ id: 'ann', email: ANN, has_password: true }])
    expect(parts['devices']?.map(({ id }) => id)).toEqual(['lamp-1'])
    expect(parts['groups']).toMatchObject([{ group_id: 'team', name: 'Team' }])
    expect(parts['grants']).toMatchObject([{ role: 'resident', object_id: 'home' }])
    expect(parts['consents']).toMatchObject([{ key: 'terms', decision: 'accepted' }])
    expect(parts['mails']?.map(({ kind }) => kind)).toContain('recovery')
    const types = parts['events']?.map(({ type }) => type)
    expect(types).toEqual(expect.arrayContaining(['session.started', 'user.exported']))
    expect(page.html).not.toContain('bob@example.com')
  })

  test('gets no secret, hash, key or code', async () => {
    const { worker, browser, key, codes } = await startWithMuch()
    const page = await take(browser, 'json')
    const secrets = await worker.context().db.read(sql<{ text: string }>`
      select password as text from user where password is not null
      union select id_hash from session union select sid from session
      union select secret from factor where secret is not null
      union select hash from recovery_code union select hash from account_link
      union select secrets from mail where secrets is not null
      union select secret_of from mail where secret_of is not null
      union select head from authorization union select hash from device_authorization
      union select user_code_mac from device_authorization`)
    expect(secrets.length).toBeGreaterThan(12)
    const all = [...secrets.map(({ text }) => text), key.replaceAll(' ', ''), ...codes]
    for (const one of all) expect(page.html, one).not.toContain(one)
    expect(page.html).not.toContain('token=')
  })

  test('reads the same in the own language, as a page without script', async () => {
    const { browser } = await startWithMuch()
    const data = JSON.parse((await take(browser, 'json')).html) as Export
    for (const [action, disposition] of [
      ['html', 'attachment; filename="my-data.html"'],
      ['view', 'inline; filename="my-data.html"'],
    ] as const) {
      const page = await take(browser, action)
      expect(page.headers.get('content-disposition')).toBe(disposition)
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(page.html).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/)
      expect(page.html).not.toMatch(/<script|<style|\sstyle=/)
      expect(page.html.match(/<h2>/g)).toHaveLength(EXPORT_SECTIONS.length)
      for (const { id, key, name } of Object.values(data).flat()) {
        for (const one of [id, key, name]) {
          if (typeof one === 'string') expect(page.html).toContain(one)
        }
      }
    }
    browser.cookies.set('locale', 'pl')
    const polish = await take(browser, 'view')
    expect(polish.html).toMatch(/lang="pl"[\s\S]*<h2>Zalogowane przeglądarki<\/h2>/)
  })

  test('has to have signed in just now, and each copy is an event', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/export')
    worker.clock.now += 601
    for (const one of [
      await browser.get('/account/export'),
      await browser.submit(page, { action: 'json' }),
    ]) {
      expect(one.headers.get('location')).toBe('/login?return_to=%2Faccount%2Fexport')
    }
    const exported = async () =>
      (await eventsOf(worker)).filter(({ type }) => type === 'user.exported')
    expect(await exported()).toEqual([])
    await browser.signIn(ANN, PASSWORD, '/login?return_to=%2Faccount%2Fexport')
    await take(browser, 'json')
    expect(await exported()).toMatchObject([
      { actor_id: 'ann', subject_id: 'ann', data: '{"form":"json"}' },
    ])
    expect((await take(browser, 'zip')).status).toBe(400)
  })

  test('need not agree to anything before', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    await publishTerms(worker)
    const asked = await browser.get((await browser.get('/account')).headers.get('location') ?? '')
    expect(asked.html).toContain('href="/account/export"')
    expect((await take(browser, 'json')).status).toBe(200)
  })

  test('reads names of its own as text', async () => {
    const { worker, browser } = await startWithAnn()
    const evil = '"><script>alert(1)</script><!-- parts -->'
    await worker.context().db.write(sql`update user set name = ${evil} where id = 'ann'`)
    await browser.signIn(ANN, PASSWORD)
    const page = await take(browser, 'view')
    expect(page.html).not.toContain('<script>')
    expect(page.html.match(/<\/html>/g)).toHaveLength(1)
    expect(page.html.match(/<h2>/g)).toHaveLength(EXPORT_SECTIONS.length)
  })
})

async function addEvents(worker: TestWorker, count: number) {
  await worker.context().db.write(sql`
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count})
    insert into event (id, at, type, outcome, actor_kind, actor_id, subject_id, rid, address, objects,
        data)
      select 'evt_' || i, i, 'user.updated', 'success', 'user', 'ann', 'ann', 'r', '192.0.2.1', '[]',
        json_object('fields', json_array('name'), 'i', i) from n`)
}

test('much data is read and sent in pieces, none of which is large', async () => {
  const { worker } = await startWithAnn()
  await addEvents(worker, 2500)
  const cx = worker.context()
  let reads = 0
  let most = 0
  const read: typeof cx.db.read = async (batch) => {
    const answer = await cx.db.read(batch)
    reads++
    if (Array.isArray(answer)) most = Math.max(most, answer.length)
    return answer
  }
  const stream = await exportUser({ ...cx, db: { ...cx.db, read } }, 'ann')
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  const first = await reader.read()
  let text = decoder.decode(first.value, { stream: true })
  expect(text).toMatch(/^\{/)
  // Nothing is read ahead of whoever takes it.
  expect(reads).toBeLessThan(5)
  for (let one = await reader.read(); !one.done; one = await reader.read()) {
    text += decoder.decode(one.value, { stream: true })
  }
  const { events = [] } = JSON.parse(text) as Export
  const numbers = events
    .map(({ data }) => (data as { i?: number }).i)
    .filter((i) => i !== undefined)
  expect(numbers).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1))
  expect(most).toBe(200)
})

describe('operators', () => {
  test('get the copy of a person within their power', async () => {
    const { worker } = await startWithMuch()
    const few = await newClientToken(worker, 'users:read', 'few')
    const refused = await callApi(worker, few, 'GET', '/v1/users/ann/export')
    // Ann holds a role that the client does not.
    expect([refused.status, refused.body['errors']]).toEqual([403, expect.any(Array)])
    const bob = await callApi(worker, few, 'GET', '/v1/users/bob/export')
    expect(bob.body).toMatchObject({ account: [{ id: 'bob' }], devices: [] })
    expect((await callApi(worker, few, 'GET', '/v1/users/nobody/export')).status).toBe(404)
    const other = await newClientToken(worker, 'devices:read', 'other')
    expect((await callApi(worker, other, 'GET', '/v1/users/bob/export')).status).toBe(403)
    const exported = (await eventsOf(worker)).filter(({ type }) => type === 'user.exported')
    expect(exported).toMatchObject([{ actor_id: 'few', subject_id: 'bob' }])
  })

  test('are in no copy of somebody else with their address or id', async () => {
    const { worker, browser } = await startWithAnn()
    await worker.context().db.write(sql`
      insert into event (id, at, type, outcome, actor_kind, actor_id, subject_id, rid, address,
        objects, data) values ('evt_1', 1, 'user.updated', 'success', 'user', 'operator-7', 'ann',
        'r', '203.0.113.77', '[]', '{"fields":["name"]}')`)
    await browser.signIn(ANN, PASSWORD)
    const { html } = await take(browser, 'json')
    expect(html).toContain('"actor_kind":"user","address":null')
    expect(html).not.toMatch(/operator-7|203\.0\.113\.77/)
  })
})

test('takes a round trip for the page', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const { roundTrips } = await countRoundTrips(worker, () => browser.get('/account/export'))
  expect(roundTrips).toBe(1)
})

/** Columns by which a row is about somebody, in any table. */
const NAMES_SOMEBODY =
  /user|subject|member|^actor|recipient|email|address|person|owner|invite|accepted/

/** Columns that look like it and hold something else. */
const NO_PERSON = new Set(['members'])

/** Tables with such a column that are in no part, with the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  user_text: 'words of the account and its names, which are parts',
  sign_in: 'ten minutes of a sign-in on its way; the session or the event follows',
  mail_code: 'ten minutes of a code, as a MAC; the mail is a part',
  linked_password: 'that the password came by a link; the event of it is a part',
  removed_factor: 'a day of a factor that an operator removed, sealed; the event is a part',
  sign_up: 'somebody without an account; the account has the address from then on',
  authorization_code: 'a minute on the way to an authorization, which is a part',
  token_exchange: 'which application acted by an authorization, which is a part',
  delivery: 'mails and logout tokens on their way, without content; mails are a part',
  idempotency_key: 'sealed answers to a program, for a day',
}

test('every table that names people is a part, or has a reason', () => {
  const tables = [schema, factorSchema, peopleSchema, oauthSchema, eventSchema]
    .flatMap((module) => Object.values(module))
    .filter((one) => one instanceof SQLiteTable)
  expect(tables.length).toBeGreaterThan(40)
  const naming = tables
    .filter((table) =>
      Object.keys(getTableColumns(table)).some(
        (column) => NAMES_SOMEBODY.test(column) && !NO_PERSON.has(column),
      ),
    )
    .map((table) => getTableName(table))
  const parts = EXPORT_SECTIONS.flatMap((section) => section.tables)
  const missing = naming.filter((name) => !parts.includes(name) && !(name in LEFT_OUT))
  expect(missing, 'add a part to EXPORT_SECTIONS, or a reason here').toEqual([])
  expect(Object.keys(LEFT_OUT).filter((name) => parts.includes(name))).toEqual([])
  for (const { name, tables: read, list } of EXPORT_SECTIONS) {
    for (const table of read)
      expect(list('ann', 0, 1).sql, name).toMatch(new RegExp(`\\b${table}\\b`))
  }
})

test('every member of a part has a name in words', async () => {
  const { browser } = await startWithMuch()
  const {
    issuer: _,
    exported_at: __,
    ...parts
  } = JSON.parse((await take(browser, 'json')).html) as Export
  const names = new Set(Object.values(parts).flatMap((rows) => rows.flatMap(Object.keys)))
  expect([...names].filter((name) => !EXPORT_FIELDS.some((one) => one === name))).toEqual([])
  expect(EXPORT_FIELDS.filter((name) => !names.has(name))).toEqual([])
})
