import { describe, expect, test } from 'vitest'
import { createGrant } from '../../worker/access/grants.ts'
import { permissionsSomewhere, rightsOf } from '../../worker/access/rights.ts'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sha256 } from '../../worker/crypto.ts'
import { sql } from '../../worker/db/sql.ts'
import { createSetupLink, ensureFirstOperator } from '../../worker/identity/setup.ts'
import { consumeSetupLink } from '../../worker/identity/store.ts'
import { changeUser, createUser } from '../../worker/identity/users.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { EPOCH } from '../support/environment.ts'
import { createPerson, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields, type Page } from './browser.ts'
import { countHashes } from './hashes.ts'
import { eventsOf, isSignedIn } from './people.ts'

const BOSS = 'boss@example.com'

async function linkOf(worker: TestWorker): Promise<string> {
  const link = await createSetupLink(worker.context())
  if (link === null) throw new Error('no set-up link')
  const { origin, pathname, search } = new URL(link)
  expect(origin).toBe(worker.config.issuer)
  return pathname + search
}

async function redeem(worker: TestWorker, path: string, values: Record<string, string> = {}) {
  const browser = new Browser(worker)
  const page = await browser.get(path)
  if (page.status !== 200) return { browser, page }
  const given = { username: BOSS, password: PASSWORD, action: 'create', ...values }
  return { browser, page: await browser.submit(page, given) }
}

async function operators(worker: TestWorker): Promise<string[]> {
  const rows = await worker.context().db.read(
    sql<{ email: string }>`select email from "grant" join user on user.id = subject_id
      where role = 'operator' and object_id = '*' order by email`,
  )
  return rows.map((row) => row.email)
}

const counts = async (worker: TestWorker) => {
  const [row] = await worker.context().db.read(sql<Record<string, number>>`select
    (select count(*) from principal where kind = 'user') as principals, (select count(*) from user) as users,
    (select count(*) from session) as sessions, (select count(*) from "grant") as grants`)
  return row
}

test('the set-up link makes an operator who is signed in and may all', async () => {
  const worker = await startWorker()
  const path = await linkOf(worker)
  const { browser, page } = await redeem(worker, path)
  expect([page.status, page.headers.get('location')]).toEqual([303, '/account'])
  expect(await isSignedIn(browser)).toBe(true)
  expect((await new Browser(worker).signIn(BOSS, PASSWORD)).status).toBe(303)
  const cx = worker.context()
  const [user] = await cx.db.read(sql<{ id: string }>`select id from user`)
  const rights = await cx.db.read(rightsOf(user?.id ?? '', cx.now()))
  expect([...permissionsSomewhere(rights).keys()]).toContain('manage')
})

test('of 20 parallel redemptions one makes an operator, and the others leave nothing behind', async () => {
  const worker = await startWorker()
  const path = await linkOf(worker)
  const browsers = Array.from({ length: 20 }, () => new Browser(worker))
  const forms = await Promise.all(browsers.map((browser) => browser.get(path)))
  const answers = await Promise.all(
    browsers.map((browser, i) =>
      browser.submit(forms[i] as Page, { username: `boss${i}@example.com`, password: PASSWORD }),
    ),
  )
  const made = answers.filter((answer) => answer.status === 303).length
  const dead = answers.filter((answer) => answer.status === 403).length
  const rows = await counts(worker)
  console.log(`redemptions at once: 20; operators made: ${made}, refused: ${dead}`, rows)
  expect([made, dead]).toEqual([1, 19])
  expect(rows).toEqual({ principals: 1, users: 1, sessions: 1, grants: 1 })
  expect(await operators(worker)).toHaveLength(1)
})

test('of two links redeemed at once one works: both die with the first operator', async () => {
  const worker = await startWorker()
  const paths = [await linkOf(worker), await linkOf(worker)]
  const answers = await Promise.all(
    paths.map((path, i) => redeem(worker, path, { username: `boss${i}@example.com` })),
  )
  expect(answers.map(({ page }) => page.status).sort()).toEqual([303, 403])
  expect(await operators(worker)).toHaveLength(1)
  expect(await createSetupLink(worker.context())).toBeNull()
})

test('a link is refused when used, when an hour old, when unknown, and costs no hash then', async () => {
  const worker = await startWorker()
  const used = await linkOf(worker)
  const browser = new Browser(worker)
  const form = await browser.get(used)
  worker.clock.now += 3599
  expect((await browser.get(used)).status).toBe(200)
  worker.clock.now += 1
  const hashes = await countHashes(worker)
  const late = await browser.submit(form, { username: BOSS, password: PASSWORD })
  expect([late.status, (await browser.get(used)).status]).toEqual([403, 403])
  expect((await browser.get('/setup')).status).toBe(403)
  expect((await browser.get(`/setup?token=${'x'.repeat(43)}`)).status).toBe(403)
  expect(hashes).toEqual([])

  const fresh = await linkOf(worker)
  expect((await redeem(worker, fresh)).page.status).toBe(303)
  expect((await redeem(worker, fresh)).page.status).toBe(403)
})

test('a link that was used stays dead when its operator is no more', async () => {
  const worker = await startWorker()
  const path = await linkOf(worker)
  expect((await redeem(worker, path)).page.status).toBe(303)
  await worker.context().db.write(sql`delete from "grant"`)
  expect((await redeem(worker, path, { username: 'other@example.com' })).page.status).toBe(403)
  // Nor does a form that was opened before: the read that comes first may be late.
  const cx = worker.context()
  const consumed = await cx.db.write(consumeSetupLink(cx, sha256(path.split('=')[1] ?? '')))
  expect(consumed).toEqual([])
  expect(await operators(worker)).toEqual([])
})

test('a link dies when an operator comes to be in another way', async () => {
  const worker = await startWorker()
  const path = await linkOf(worker)
  const cx = worker.context()
  await createPerson(cx, { id: 'ann', email: 'ann@example.com', password: PASSWORD })
  expect((await new Browser(worker).get(path)).status).toBe(200)
  await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
  expect((await redeem(worker, path)).page.status).toBe(403)
})

test('a bad e-mail address, a short password and a taken address are told, and the link lives on', async () => {
  const worker = await startWorker()
  await createUser(worker.context(), { email: 'ann@example.com' })
  const path = await linkOf(worker)
  const bad = await redeem(worker, path, { username: 'boss' })
  expect([bad.page.status, alertOf(bad.page)]).toEqual([
    400,
    'Enter an e-mail address such as ann@example.com.',
  ])
  const short = await redeem(worker, path, { password: 'too short' })
  expect([short.page.status, alertOf(short.page)]).toEqual([
    400,
    'The password must have at least 15 characters.',
  ])
  expect(formFields(short.page)['username']).toBe(BOSS)
  expect(short.page.html).not.toContain('too short')
  const taken = await redeem(worker, path, { username: 'ANN@example.com' })
  expect(taken.page.status).toBe(409)
  expect(await counts(worker)).toEqual({ principals: 1, users: 1, sessions: 0, grants: 0 })
  expect((await redeem(worker, path)).page.status).toBe(303)
})

test('the link is kept as a hash and is in no event and no log', async () => {
  const worker = await startWorker()
  const path = await linkOf(worker)
  const token = path.split('=')[1] ?? ''
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/)
  const links = await worker.context().db.read(sql`select * from setup_link`)
  expect(JSON.stringify(links)).not.toContain(token)
  await redeem(worker, path)
  const events = await eventsOf(worker)
  expect(events.map((event) => event.type)).toEqual([
    ...Array(4).fill('role.created'),
    'user.created',
    'grant.created',
    'session.started',
  ])
  const everything = JSON.stringify([events, worker.log])
  for (const secret of [token, PASSWORD, '$argon2']) expect(everything).not.toContain(secret)
})

test('redeeming takes 2 database round trips', async () => {
  const worker = await startWorker()
  const browser = new Browser(worker)
  const form = await browser.get(await linkOf(worker))
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    browser.submit(form, { username: BOSS, password: PASSWORD }),
  )
  expect([value.status, roundTrips]).toEqual([303, 2])
})

test('the operator of the settings is made once, and a restart undoes no change', async () => {
  const worker = await startWorker()
  expect(await ensureFirstOperator(worker.context(), BOSS, PASSWORD)).toBe(true)
  expect(await ensureFirstOperator(worker.context(), BOSS, `${PASSWORD} changed`)).toBe(false)
  expect(await ensureFirstOperator(worker.context(), 'other@example.com', PASSWORD)).toBe(false)
  expect(await operators(worker)).toEqual([BOSS])
  expect((await new Browser(worker).signIn(BOSS, PASSWORD)).status).toBe(303)
  expect((await new Browser(worker).signIn(BOSS, `${PASSWORD} changed`)).status).toBe(403)

  const [user] = await worker.context().db.read(sql<{ id: string }>`select id from user`)
  const other = { email: 'other@example.com', password: PASSWORD }
  const { id } = await createPerson(worker.context(), other)
  await createGrant(worker.context(), { subject: id, role: 'operator', object: '*' })
  await changeUser(worker.context(), user?.id ?? '', { status: 'disabled', name: 'Boss' }, null)
  expect(await ensureFirstOperator(worker.context(), BOSS, PASSWORD)).toBe(false)
  expect((await new Browser(worker).signIn(BOSS, PASSWORD)).status).toBe(403)
  expect(await createSetupLink(worker.context())).toBeNull()
})

describe('who counts as the operator that is there', () => {
  const YEAR_2096 = 4_000_000_000
  const toBosses = [{ subject: 'bosses', role: 'operator', object: '*' }]
  const member = (more: object = {}) => ({
    groups: [{ id: 'bosses' }, { id: 'night', parent_id: 'bosses' }],
    users: [
      { id: 'ann', email: 'ann@example.com', groups: ['night'], password: PASSWORD, ...more },
    ],
  })

  test.each<[string, object]>([
    ['a group without members', { groups: [{ id: 'bosses' }], grants: toBosses }],
    ['a person who cannot sign in', { ...member({ password: undefined }), grants: toBosses }],
    ['a disabled person', { ...member({ status: 'disabled' }), grants: toBosses }],
    [
      'a person from a later day on',
      { ...member(), grants: [{ ...toBosses[0], not_before: YEAR_2096 }] },
    ],
    [
      'a person whose time is over',
      { ...member(), grants: [{ ...toBosses[0], expires_at: EPOCH - 1 }] },
    ],
    ['a person on one group alone', { ...member(), grants: [{ ...toBosses[0], object: 'night' }] }],
    [
      'a client',
      {
        clients: [
          {
            client_id: 'bosses',
            client_secret: 'few-secret-of-at-least-32-characters-0001',
            grant_types: ['client_credentials'],
          },
        ],
        grants: toBosses,
      },
    ],
  ])('not %s: a set-up link is made and works, and so do the settings', async (_, blueprint) => {
    const worker = await startWorker()
    await applyBlueprint(worker.context(), blueprint, {})
    const path = await linkOf(worker)
    expect((await redeem(worker, path)).page.status).toBe(303)
    expect(await operators(worker)).toContain(BOSS)

    const other = await startWorker()
    await applyBlueprint(other.context(), blueprint, {})
    expect(await ensureFirstOperator(other.context(), BOSS, PASSWORD)).toBe(true)
  })

  test.each<[string, object]>([
    ['of a group above', { grants: toBosses }],
    ['until tonight', { grants: [{ ...toBosses[0], expires_at: EPOCH + 3600 }] }],
  ])('a person by a grant %s, so there is neither link nor second operator', async (_, grants) => {
    const worker = await startWorker()
    await applyBlueprint(worker.context(), { ...member(), ...grants }, {})
    expect(await createSetupLink(worker.context())).toBeNull()
    expect(await ensureFirstOperator(worker.context(), BOSS, PASSWORD)).toBe(false)
  })
})

test('an account that is there already is not made an operator by the settings', async () => {
  const worker = await startWorker()
  await createUser(worker.context(), { email: BOSS, password: 'another password of hers' })
  expect(await ensureFirstOperator(worker.context(), BOSS, PASSWORD)).toBe(false)
  expect(await operators(worker)).toEqual([])
  expect(worker.log.map((line) => line.message)).toEqual([
    'there is no operator, and ADMIN_EMAIL names a user who is none',
  ])
  expect(JSON.stringify(worker.log)).not.toContain(BOSS)
})

test('of 8 instances that start at once one makes the operator', async () => {
  const worker = await startWorker()
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      ensureFirstOperator(worker.context(), i % 2 === 0 ? BOSS : `boss${i}@example.com`, PASSWORD),
    ),
  )
  expect(made.filter((one) => one)).toHaveLength(1)
  expect(await counts(worker)).toEqual({ principals: 1, users: 1, sessions: 0, grants: 1 })
})

test('settings that are no e-mail address or no good password are refused', async () => {
  const worker = await startWorker()
  await expect(ensureFirstOperator(worker.context(), 'boss', PASSWORD)).rejects.toMatchObject({
    errors: [{ pointer: '/email' }],
  })
  await expect(ensureFirstOperator(worker.context(), BOSS, 'short')).rejects.toMatchObject({
    errors: [{ pointer: '/password', detail: 'must have at least 15 characters' }],
  })
})
