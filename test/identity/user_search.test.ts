// GET /v1/users: search and filters, and the index behind the search.
import { beforeAll, describe, expect, test } from 'vitest'
import { addMember } from '../../worker/access/group_members.ts'
import { createGroup } from '../../worker/access/groups.ts'
import { type Statement, sql } from '../../worker/db/sql.ts'
import { createConsent } from '../../worker/identity/consents/consents.ts'
import {
  addUserLoginId,
  removeUserLoginId,
} from '../../worker/identity/login_ids/user_login_ids.ts'
import { listUsersAfter, searchQuery } from '../../worker/identity/login_ids/user_search_store.ts'
import { changeUser, createUser, removeUser } from '../../worker/identity/users.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator } from './authenticator.ts'
import { Browser } from './browser.ts'

let worker: TestWorker
let token: string
let signedInAt: number

/** The ids that a query finds, without the operator's. */
async function find(query: Record<string, string | number>, on = worker, by = token) {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)]),
  )
  const { status, body } = await callApi(on, by, 'GET', `/v1/users?${search}`)
  return status === 200 ? (body as { items: { id: string }[] }).items.map(({ id }) => id) : status
}

beforeAll(async () => {
  worker = await startWorker()
  token = await newClientToken(worker)
  const cx = worker.context()
  await createPerson(cx, {
    id: 'ann',
    email: 'ann.smith@example.com',
    email_verified: true,
    name: 'Ann Müller-Smith',
    metadata: { crm: { id: 'K-4711', tags: ['gold'] } },
    password: PASSWORD,
  })
  await createUser(cx, {
    id: 'bob',
    email: 'bob@work.example',
    name: 'Bob',
    profile: { nickname: 'Bobby' },
  })
  await createUser(cx, { id: 'liz', user_name: 'grandma.liz', name: 'Élisabeth' })
  await createUser(cx, { id: 'off', email: 'off@example.com', name: 'Ann Off', status: 'disabled' })
  await createGroup(cx, { id: 'team' })
  await addMember(cx, 'team', 'bob')
  await createConsent(cx, {
    key: 'terms',
    required: true,
    versions: [{ version: '1', texts: { en: { title: 'Terms', text: 'All of it.' } } }],
  })
  worker.clock.now += 100
  signedInAt = worker.clock.now
  const browser = new Browser(worker)
  await browser.signIn('ann.smith@example.com', PASSWORD)
  await cx.db.write(sql`insert into consent_decision
    (id, user_id, key, version, round, locale, decision, decided_at, address)
    values ('d', 'ann', 'terms', '1', (select round from consent), 'en', 'accepted', 1, '')`)
  await addAuthenticator(worker, browser)
})

describe('a search', () => {
  const SEARCHES: readonly [string, string[]][] = [
    ['ann', ['ann', 'off']],
    ['ANN müller', ['ann']],
    ['muller', ['ann']],
    ['elis', ['liz']],
    ['Bobb', ['bob']],
    ['work.example', ['bob']],
    ['ann.smith@example.com', ['ann']],
    ['grandma', ['liz']],
    ['4711', ['ann']],
    ['gold', ['ann']],
    ['nobody', []],
    ['mith', []],
    ['crm', []],
  ]
  test.each(SEARCHES)('%s', async (search, ids) => expect(await find({ search })).toEqual(ids))

  const SYNTAX = [
    '"',
    '""',
    'ann OR bob',
    'ann NOT off',
    'name:ann',
    'ann*',
    '^ann',
    '(ann',
    'NEAR(ann)',
    "ann'--",
    '-',
    '{name}',
    'a"b',
    '* *',
  ]
  test.each(SYNTAX)('%s has no syntax', async (search) => {
    expect(await find({ search })).toEqual(
      ['ann*', '^ann', '(ann', "ann'--"].includes(search) ? ['ann', 'off'] : [],
    )
  })

  test('is quoted word by word, ten of them', () => {
    expect(searchQuery(' a"b  c* ')).toBe('"a""b"* "c*"*')
    expect(searchQuery('- "')).toBeNull()
    expect(searchQuery('x '.repeat(40))?.split(' ')).toHaveLength(10)
  })

  test('that is empty or too long is refused', async () => {
    expect(await find({ search: '' })).toBe(400)
    expect(await find({ search: 'x'.repeat(201) })).toBe(400)
  })
})

describe('filters', () => {
  const FILTERS: readonly [Record<string, string>, string[]][] = [
    [{ email: 'ANN.smith@example.com' }, ['ann']],
    [{ user_name: 'Grandma.Liz' }, ['liz']],
    [{ status: 'disabled' }, ['off']],
    [{ search: 'ann', status: 'active' }, ['ann']],
    [{ group: 'team' }, ['bob']],
    [{ has_factor: 'totp' }, ['ann']],
    [{ has_factor: 'any' }, ['ann']],
    [{ has_factor: 'passkey' }, []],
    [{ lacks_factor: 'any' }, ['bob', 'liz', 'off']],
    [{ lacks_consent: 'terms' }, ['bob', 'liz', 'off']],
    [{ lacks_consent: 'other' }, []],
    [{ address_collides: 'true' }, []],
  ]
  test.each(FILTERS)('%j', async (query, ids) => expect(await find(query)).toEqual(ids))

  test('of the last sign-in, which the user shows', async () => {
    expect(await find({ signed_in_after: signedInAt })).toEqual(['ann'])
    expect(await find({ signed_in_after: signedInAt + 1 })).toEqual([])
    expect(await find({ signed_in_before: signedInAt })).toEqual(['bob', 'liz', 'off'])
    expect(await find({ signed_in_before: signedInAt + 1 })).toHaveLength(4)
    const { body } = await callApi(worker, token, 'GET', '/v1/users/ann')
    expect(body).toMatchObject({ last_sign_in_at: signedInAt })
    expect(await find({ signed_in_before: 'yesterday' })).toBe(400)
  })

  test('go on through pages', async () => {
    const page = async (cursor: string) => {
      const query = `limit=1&lacks_factor=any${cursor}`
      const { body } = await callApi(worker, token, 'GET', `/v1/users?${query}`)
      return body as { items: { id: string }[]; next_cursor: string | null }
    }
    const first = await page('')
    const second = await page(`&cursor=${first.next_cursor}`)
    expect([first.items[0]?.id, second.items[0]?.id]).toEqual(['bob', 'liz'])
  })
})

test('the index follows every change, and forgets who is deleted', async () => {
  const other = await startWorker()
  const by = await newClientToken(other)
  const cx = other.context()
  const found = (search: string) => find({ search }, other, by)
  await createUser(cx, { id: 'kim', email: 'kim@old.example', name: 'Kim' })
  expect(await found('kim')).toEqual(['kim'])
  await changeUser(cx, 'kim', { name: 'Robin', email: 'robin@new.example' }, null)
  expect([await found('kim'), await found('robin'), await found('old.example')]).toEqual([
    [],
    ['kim'],
    [],
  ])
  const name = await addUserLoginId(cx, 'kim', { kind: 'user_name', value: 'rob' })
  expect(await found('rob')).toEqual(['kim'])
  await removeUserLoginId(cx, 'kim', name.id)
  await changeUser(cx, 'kim', { name: null, metadata: { city: 'Łódź' } }, null)
  expect([await found('łódź'), await found('rob')]).toEqual([['kim'], ['kim']])
  // As the previous program does it.
  await cx.db.write(sql`update user set email = 'last@x.example', email_key = 'last@x.example'
    where id = 'kim'`)
  expect([await found('last'), await found('robin')]).toEqual([['kim'], []])
  await removeUser(cx, 'kim', null)
  expect(await found('last')).toEqual([])
  expect(await cx.db.read(sql`select * from user_text`)).toEqual([])
  expect(
    await cx.db.read(sql`select rowid from user_search where user_search match '"last"'`),
  ).toEqual([])
  await cx.db.write(sql`insert into user_search (user_search) values ('integrity-check')`)
})

test('no search walks through a whole table', async () => {
  const cx = worker.context()
  const statements: Statement<unknown>[] = [
    listUsersAfter(cx, '', 50, { search: 'ann' }),
    listUsersAfter(cx, '', 50, { email: 'a@b.example', user_name: 'ann', group: 'team' }),
    listUsersAfter(cx, '', 50, { signed_in_after: 1, signed_in_before: 2, status: 'active' }),
    listUsersAfter(cx, '', 50, { has_factor: 'any', lacks_factor: 'totp', lacks_consent: 'terms' }),
    listUsersAfter(cx, '', 50, { address_collides: 'true' }),
  ]
  for (const statement of statements) {
    const plan = await cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`)
    const scans = plan.map(({ detail }) => detail).filter((detail) => /^SCAN /.test(detail))
    // The index `login_id_former` has the rows alone that it is walked for.
    const rest = scans.filter((detail) => !/VIRTUAL TABLE|INDEX login_id_former$/.test(detail))
    expect(rest).toEqual([])
  }
})
