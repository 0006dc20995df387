// Tokens of a client that lost power, or a secret: the list shows them, and the client gets others.
import { expect, test } from 'vitest'
import { type Statement, sql } from '../../worker/db/sql.ts'
import {
  createClientSecret,
  listClientSecrets,
  removeClientSecret,
} from '../../worker/oauth/clients/client_secrets.ts'
import { changeClient } from '../../worker/oauth/clients/clients.ts'
import { spreadStatus } from '../../worker/status/spreading.ts'
import type { TestWorker } from '../context.ts'
import {
  addApp,
  addClient,
  addCode,
  basic,
  makeSigner,
  REDIRECT,
  refresh,
  signIn,
  startIssuer,
  token,
  VERIFIER,
  write,
} from '../oauth/token_fixtures.ts'
import { statusOf } from './status_reader.ts'

const SERVICE = 'https://service.example/'
const SECRET = 's'.repeat(40)
const MEMBERS = {
  client_id: 'web',
  client_secret: SECRET,
  redirect_uris: [REDIRECT],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] as const,
  scope: 'openid offline_access mqtt orders',
  resources: [SERVICE],
  authorization_details_types: ['device'] as const,
}

async function start() {
  const worker = await startIssuer()
  const signer = await makeSigner('ES256', 'k1')
  await addClient(worker, {
    ...MEMBERS,
    grant_types: [...MEMBERS.grant_types],
    authorization_details_types: ['device'],
    jwks: { keys: [signer.jwk as never] },
  })
  await addApp(worker)
  const headers = basic('web', SECRET)
  const { code } = await addCode(worker, { client_id: 'web', scope: 'offline_access orders' })
  const person = await token(
    worker,
    { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: VERIFIER },
    headers,
  )
  const own = async (secret = SECRET) =>
    (await token(worker, { grant_type: 'client_credentials' }, basic('web', secret))).body
      .access_token ?? ''
  const all = [await own(), person.body.access_token ?? '', (await signIn(worker)).access_token]
  /** Of the client itself, of a person who signed in to it, and of one who did to another client. */
  const seen = () => Promise.all(all.map((one) => statusOf(worker, one)))
  expect(await seen()).toEqual([0, 0, 0])
  return { worker, own, seen, person: person.body }
}

type Patch = Parameters<typeof changeClient>[2]

test.each<[string, Patch]>([
  ['a scope', { scope: 'openid offline_access orders' }],
  ['an audience', { resources: [] }],
  ['a grant type', { grant_types: ['authorization_code', 'client_credentials'] }],
  ['a type of details', { authorization_details_types: [] }],
  ['groups that it sees', { groups_within: 'grp' }],
  ['a key', { jwks: null }],
])('a client that loses %s supersedes its tokens, and gets others', async (_, patch) => {
  const { worker, own, seen } = await start()
  await changeClient(worker.context(), 'web', patch, null)
  expect(await seen()).toEqual([3, 3, 0])
  expect(await statusOf(worker, await own())).toBe(0)
})

test.each<[string, Patch]>([
  [
    'gets more',
    {
      scope: 'openid offline_access mqtt orders stock',
      resources: [SERVICE, 'https://b.example/'],
    },
  ],
  ['has another name', { client_name: 'Web', redirect_uris: ['https://other.example/'] }],
])('a client that %s goes on with its tokens', async (_, patch) => {
  const { worker, seen } = await start()
  await changeClient(worker.context(), 'web', patch, null)
  expect(await seen()).toEqual([0, 0, 0])
})

test('a refresh token of a client that lost a scope gives a token without it', async () => {
  const { worker, person } = await start()
  await changeClient(worker.context(), 'web', { scope: 'openid offline_access' }, null)
  const { refresh_token } = person
  const headers = basic('web', SECRET)
  const answer = await token(worker, { grant_type: 'refresh_token', refresh_token }, headers)
  expect(answer.body.scope).toBe('offline_access')
})

test('a client that needs consent from now on ends all that people did not allow', async () => {
  const worker = await startIssuer()
  await addApp(worker, { first_party: true, redirect_uris: [REDIRECT] })
  const { access_token, refresh_token } = await signIn(worker)
  expect((await refresh(worker, refresh_token)).status).toBe(200)
  await changeClient(worker.context(), 'app', { first_party: false }, null)
  expect(await statusOf(worker, access_token)).toBe(1)
  expect((await refresh(worker, refresh_token)).body.error).toBe('invalid_grant')
})

test('disabling and demoting a client at once still ends its tokens for good', async () => {
  const worker = await startIssuer()
  await addApp(worker, { first_party: true, redirect_uris: [REDIRECT] })
  const { refresh_token } = await signIn(worker)
  const cx = worker.context()
  await changeClient(cx, 'app', { status: 'disabled', first_party: false }, null)
  await changeClient(cx, 'app', { status: 'active', first_party: true }, null)
  expect((await refresh(worker, refresh_token)).body.error).toBe('invalid_grant')
})

const OTHER = 'o'.repeat(40)

test('a secret that is taken away ends the tokens that came by it, and those of people are fetched anew', async () => {
  const { worker, own, seen } = await start()
  const cx = worker.context()
  const [first] = await listClientSecrets(cx, 'web')
  await createClientSecret(cx, 'web', { client_secret: OTHER })
  expect(await seen()).toEqual([0, 0, 0])
  await removeClientSecret(cx, 'web', first?.id ?? '')
  expect(await seen()).toEqual([1, 3, 0])
  expect(await own()).toBe('')
  expect(await statusOf(worker, await own(OTHER))).toBe(0)
  expect(await listClientSecrets(cx, 'web')).toHaveLength(1)
})

test('secrets that end at once are taken away too; those that end later, or ended, end nothing', async () => {
  const { worker, own, seen } = await start()
  const cx = worker.context()
  const now = worker.clock.now
  await createClientSecret(cx, 'web', { client_secret: OTHER, others_expire_at: now + 60 })
  expect(await seen()).toEqual([0, 0, 0])
  worker.clock.now += 120
  await write(worker, sql`delete from client_secret where expires_at <= ${worker.clock.now}`)
  expect(await seen()).toEqual([0, 0, 0])
  const before = await own(OTHER)
  await createClientSecret(worker.context(), 'web', { others_expire_at: worker.clock.now })
  expect(await statusOf(worker, before)).toBe(1)
  expect(await listClientSecrets(cx, 'web')).toHaveLength(1)
})

const crowd = (worker: TestWorker, n: number): Statement[] => [
  sql`insert into authorization (id, user_id, client_id, scope, resource, auth_time, amr, created_at,
      last_used_at, offline)
    with recursive s(i) as (select 1 union all select i + 1 from s where i < ${n})
    select 'aut-' || i, 'ann', 'web', 'orders', '[]', 1, '[]', ${worker.clock.now}, 1, 1 from s`,
]

test('an authorization that is revoked while a change of its client is spread has ended, and is not superseded', async () => {
  const { worker, person } = await start()
  await write(worker, ...crowd(worker, 1200))
  await changeClient(worker.context(), 'web', { resources: [] }, null)
  await write(worker, sql`update authorization set revoked_at = 2 where id not like 'aut-%'`)
  expect(await statusOf(worker, person.access_token ?? '')).toBe(1)
  await spreadStatus(worker.context())
  expect(await statusOf(worker, person.access_token ?? '')).toBe(1)
})
