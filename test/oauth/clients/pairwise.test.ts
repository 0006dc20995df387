// Pairwise subjects: who is the same person to whom, what a client must be for it, and that nothing else tells.
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { sql } from '../../../worker/db/sql.ts'
import { createUser } from '../../../worker/identity/users.ts'
import {
  type ClientInput,
  changeClient,
  createClient,
} from '../../../worker/oauth/clients/clients.ts'
import { storedSecret } from '../../../worker/stored_secrets.ts'
import { countRoundTrips, type Outside, startWorker, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { APP, answerOf, pathOf, requestPath, returnTo, signIn } from '../flow.ts'
import { relyingParty, type SignedIn } from '../relying_party.ts'
import { basic, claimsOf, countRefusals, post, refresh, setStatus } from '../token_fixtures.ts'

const SECTOR = 'https://sector.example/uris.json'
const ONE = 'https://one.example/cb'
const TWO = 'https://two.example/cb'

const pairwise = (client_id: string, more: Partial<ClientInput> = {}): ClientInput => ({
  ...APP,
  client_id,
  subject_type: 'pairwise',
  first_party: true,
  redirect_uris: [ONE],
  scope: 'openid email offline_access',
  ...more,
})

const start = async (outside: Outside = {}, env: Record<string, string> = {}) => {
  const worker = await startWorker(env, { outside })
  for (const id of ['ann', 'bob']) {
    await createUser(worker.context(), { id, email: `${id}@example.com` })
  }
  return { worker, browser: new Browser(worker) }
}

let worker: TestWorker
let browser: Browser
let listed: unknown
let fetches: number
beforeEach(async () => {
  listed = [ONE, TWO, 'https://three.example/cb']
  fetches = 0
  ;({ worker, browser } = await start({
    [SECTOR]: () => {
      fetches += 1
      return typeof listed === 'string' ? new Response(listed) : Response.json(listed)
    },
    'https://sector.example/gone': () => Response.json([ONE, TWO], { status: 404 }),
    'https://sector.example/moved': () => Response.redirect(SECTOR, 302),
  }))
})

const make = (input: ClientInput) => createClient(worker.context(), input)

/** Signs the person in to the client at `callback`. */
async function visit(
  client_id: string,
  user_id = 'ann',
  callback = ONE,
  changes: Parameters<typeof requestPath>[0] = {},
): Promise<SignedIn> {
  await signIn(worker, browser, user_id)
  const path = requestPath({
    client_id,
    redirect_uri: callback,
    scope: 'openid offline_access',
    ...changes,
  })
  return (await relyingParty(worker, { client_id })).redeem(await browser.get(path), callback)
}

const subOf = async (...visited: Parameters<typeof visit>) =>
  (await visit(...visited)).claims['sub']

describe('a person is', () => {
  test('the same to the same client each time, and nobody’s id', async () => {
    await make(pairwise('a'))
    const sub = await subOf('a')
    expect(sub).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(await subOf('a')).toBe(sub)
    expect(await subOf('a', 'bob')).not.toBe(sub)
    worker.memory.clear()
    expect(await subOf('a')).toBe(sub)
  })

  test('the same to two clients of one host, and another to those of another', async () => {
    await make(pairwise('a'))
    await make(pairwise('b', { redirect_uris: ['https://one.example/other'] }))
    await make(pairwise('c', { redirect_uris: [TWO] }))
    const sub = await subOf('a')
    expect(await subOf('b', 'ann', 'https://one.example/other')).toBe(sub)
    expect(await subOf('c', 'ann', TWO)).not.toBe(sub)
  })

  test('the same to clients of different hosts that share a sector_identifier_uri', async () => {
    await make(pairwise('a', { sector_identifier_uri: SECTOR }))
    await make(pairwise('c', { redirect_uris: [TWO], sector_identifier_uri: SECTOR }))
    await make(pairwise('alone'))
    const sub = await subOf('a')
    expect(await subOf('c', 'ann', TWO)).toBe(sub)
    expect(await subOf('alone')).not.toBe(sub)
  })

  test('another one at another issuer, whose salt is another', async () => {
    await make(pairwise('a'))
    const sub = await subOf('a')
    ;({ worker, browser } = await start())
    await make(pairwise('a'))
    expect(await subOf('a')).not.toBe(sub)
  })
})

describe('a pairwise client', () => {
  test('finds its own name of the person in every token and answer, and the id in none', async () => {
    const { client_secret = '' } = await make(
      pairwise('a', { token_endpoint_auth_method: 'client_secret_basic' }),
    )
    await signIn(worker, browser, 'ann')
    const path = requestPath({ client_id: 'a', redirect_uri: ONE, scope: 'openid offline_access' })
    const party = await relyingParty(worker, { client_id: 'a' })
    const { code = '' } = answerOf(await browser.get(path), ONE)
    const body = { grant_type: 'authorization_code', code, redirect_uri: ONE }
    const verifier = { code_verifier: 'v'.repeat(43) }
    const headers = basic('a', client_secret)
    const tokens = (await post(worker, '/oauth/token', { ...body, ...verifier }, headers)).body
    const { access_token = '', refresh_token = '', id_token = '' } = tokens
    const { sub } = claimsOf(id_token)
    expect(claimsOf(access_token).sub).toBe(sub)
    const told = await party.userinfo({ access_token, claims: { sub } } as unknown as SignedIn)
    expect(told).toEqual({ sub })
    const all: unknown[] = [claimsOf(access_token), claimsOf(id_token), told]
    for (const token of [access_token, refresh_token]) {
      const answer = await post(worker, '/oauth/introspect', { token }, headers)
      expect(answer.body).toMatchObject({ active: true, sub })
      all.push(answer.body)
    }
    const again = { grant_type: 'refresh_token', refresh_token }
    const refreshed = (await post(worker, '/oauth/token', again, headers)).body
    all.push(claimsOf(refreshed.access_token), claimsOf(refreshed.id_token))
    expect(claimsOf(refreshed.id_token).sub).toBe(sub)
    expect(JSON.stringify(all)).not.toContain('ann')
  })

  test('has its tokens end with the authorization, the person and the client as others do', async () => {
    await make(pairwise('a'))
    let { access_token } = await visit('a')
    const status = async () =>
      (
        await worker.request('/oauth/userinfo', {
          headers: { Authorization: `Bearer ${access_token}` },
        })
      ).status
    expect(await status()).toBe(200)
    const cx = worker.context()
    await cx.db.write(sql`update user set status = 'disabled' where id = 'ann'`)
    expect(await status()).toBe(401)
    await cx.db.write(sql`update user set status = 'active' where id = 'ann'`)
    expect(await status()).toBe(401)
    access_token = (await visit('a')).access_token
    expect(await status()).toBe(200)
    await post(worker, '/oauth/revoke', { token: access_token, client_id: 'a' })
    expect(await status()).toBe(401)
  })

  test('has its refusals in the record of the person, under the id that operators know', async () => {
    await make(pairwise('a'))
    const { access_token, claims } = await visit('a')
    await setStatus(worker, 'user', 'ann', 'disabled')
    const headers = { Authorization: `Bearer ${access_token}` }
    expect((await worker.request('/oauth/userinfo', { headers })).status).toBe(401)
    await worker.settled()
    expect(await countRefusals(worker, 'ann')).toBe(1)
    expect(await countRefusals(worker, String(claims['sub']))).toBe(0)
  })

  test('costs no more round trips than another: 2 for a code, 2 for tokens, 1 for userinfo', async () => {
    await make(pairwise('a'))
    const { id_token } = await visit('a')
    const asked = requestPath({ client_id: 'a', redirect_uri: ONE, id_token_hint: id_token })
    const code = await countRoundTrips(worker, () => browser.get(asked))
    const party = await relyingParty(worker, { client_id: 'a' })
    const tokens = await countRoundTrips(worker, () => party.redeem(code.value, ONE))
    const told = await countRoundTrips(worker, () => party.userinfo(tokens.value))
    expect([code.roundTrips, tokens.roundTrips, told.roundTrips]).toEqual([2, 2, 1])
    // Cold, keys, settings and salt come together.
    worker.memory.clear()
    expect((await countRoundTrips(worker, () => party.userinfo(tokens.value))).roundTrips).toBe(2)
  })

  test('that becomes public is told the id, and its older tokens are no good', async () => {
    await make(pairwise('a'))
    const before = await visit('a')
    await changeClient(worker.context(), 'a', { subject_type: 'public' }, null)
    const refused = await worker.request('/oauth/userinfo', {
      headers: { Authorization: `Bearer ${before.access_token}` },
    })
    expect(refused.status).toBe(401)
    const refreshed = await refresh(worker, before.refresh_token, { client_id: 'a' })
    expect(claimsOf(refreshed.body.id_token).sub).toBe('ann')
  })
})

describe('id_token_hint and the claim sub of a pairwise client', () => {
  const ask = (changes: Parameters<typeof requestPath>[0]) =>
    browser.get(requestPath({ client_id: 'a', redirect_uri: ONE, ...changes }))

  test('name the person as the client knows them', async () => {
    await make(pairwise('a'))
    const { id_token, claims } = await visit('a')
    const named = JSON.stringify({ id_token: { sub: { value: claims['sub'] } } })
    expect(answerOf(await ask({ id_token_hint: id_token }), ONE)).toHaveProperty('code')
    expect(answerOf(await ask({ claims: named }), ONE)).toHaveProperty('code')
    // The user's id is no name that this client has.
    const id = JSON.stringify({ id_token: { sub: { value: 'ann' } } })
    expect(pathOf(await ask({ claims: id }))).toMatch(/^\/login/)

    await signIn(worker, browser, 'bob')
    for (const changes of [{ id_token_hint: id_token }, { claims: named }]) {
      const silent = answerOf(await ask({ ...changes, prompt: 'none' }), ONE)
      expect(silent['error']).toBe('login_required')
      const page = await ask(changes)
      expect(pathOf(page)).toMatch(/^\/login/)
      await signIn(worker, browser, 'ann')
      expect(answerOf(await browser.get(returnTo(page)), ONE)).toHaveProperty('code')
      await signIn(worker, browser, 'bob')
    }
  })
})

const faultsOf = async (work: Promise<unknown>) =>
  work.then(
    () => [],
    (error) => (error.errors ?? [error]).map((one: { pointer: string }) => one.pointer),
  )

describe('a client cannot be pairwise', () => {
  const SECTORLESS = ['/sector_identifier_uri']
  const cases: [string, Partial<ClientInput>, string[]][] = [
    ['with addresses of two hosts', { redirect_uris: [ONE, TWO] }, SECTORLESS],
    [
      'with addresses that have no host',
      { application_type: 'native', redirect_uris: ['com.example.app:/cb'], first_party: false },
      SECTORLESS,
    ],
    [
      'with a scheme of its own that goes on with the host of another sector',
      {
        application_type: 'native',
        redirect_uris: ['com.evil.app://one.example/cb'],
        first_party: false,
      },
      SECTORLESS,
    ],
    [
      'without an address',
      {
        redirect_uris: [],
        grant_types: ['client_credentials'],
        token_endpoint_auth_method: 'client_secret_basic',
        scope: 'orders',
      },
      SECTORLESS,
    ],
    ['with mqtt, whose tokens name the person', { scope: 'openid mqtt' }, ['/scope']],
    ['with a management scope', { scope: 'openid users:read' }, ['/scope']],
    ['with manage', { scope: 'manage' }, ['/scope']],
    [
      'with token exchange',
      {
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
      ['/grant_types'],
    ],
    [
      'with authorization_details about devices',
      { authorization_details_types: ['device'] },
      ['/authorization_details_types'],
    ],
  ]
  test.each(cases)('%s', async (_, more, faults) => {
    expect(await faultsOf(make(pairwise('a', more)))).toEqual(faults)
  })

  test('when it becomes so by a change', async () => {
    await make(pairwise('a'))
    const change = (patch: Parameters<typeof changeClient>[2]) =>
      faultsOf(changeClient(worker.context(), 'a', patch, null))
    expect(await change({ scope: 'openid mqtt' })).toEqual(['/scope'])
    expect(await change({ redirect_uris: [ONE, TWO] })).toEqual(SECTORLESS)
    await make({ ...APP, client_id: 'b', scope: 'openid mqtt' })
    expect(
      await faultsOf(changeClient(worker.context(), 'b', { subject_type: 'pairwise' }, null)),
    ).toEqual(['/scope'])
  })
})

describe('a sector_identifier_uri', () => {
  const of = (uri: string, more: Partial<ClientInput> = {}) =>
    pairwise('a', { redirect_uris: [ONE, TWO], sector_identifier_uri: uri, ...more })

  test('is fetched once at registration, and not when a person signs in', async () => {
    await make(of(SECTOR))
    expect(fetches).toBe(1)
    await visit('a')
    await changeClient(worker.context(), 'a', { client_name: 'A' }, null)
    expect(fetches).toBe(1)
  })

  const answers: [string, unknown][] = [
    ['that lists one address of two', [ONE]],
    ['that lists them in other words', [ONE, `${TWO}/`]],
    ['that is an object', { redirect_uris: [ONE, TWO] }],
    ['that is text with them', `${ONE} ${TWO}`],
    ['that is a JSON text with them', JSON.stringify(`${ONE} ${TWO}`)],
  ]
  test.each(answers)('%s is refused, and so nobody joins a foreign sector', async (_, answer) => {
    listed = answer
    expect(await faultsOf(make(of(SECTOR)))).toEqual(['/sector_identifier_uri'])
  })

  test.each([
    ['answers 404', 'https://sector.example/gone'],
    ['leads elsewhere', 'https://sector.example/moved'],
    ['cannot be reached', 'https://nowhere.example/uris.json'],
    ['is a private address', 'https://192.168.0.1/uris.json'],
    ['is a loopback address', 'http://localhost/uris.json'],
  ])('that %s is refused', async (_, uri) => {
    expect(await faultsOf(make(of(uri)))).toEqual(['/sector_identifier_uri'])
  })

  test('that is too large is refused', async () => {
    listed = [ONE, TWO, 'x'.repeat(70_000)]
    expect(await faultsOf(make(of(SECTOR)))).toEqual(['/sector_identifier_uri'])
  })

  test('is looked at for public clients too, and again when the addresses change', async () => {
    expect(await faultsOf(make(of(SECTOR, { subject_type: 'public' })))).toEqual([])
    const four = 'https://four.example/cb'
    const change = changeClient(worker.context(), 'a', { redirect_uris: [ONE, four] }, null)
    expect(await faultsOf(change)).toEqual(['/sector_identifier_uri'])
    expect(fetches).toBe(2)
  })

  test('in a blueprint is fetched when something changes, and its fault names the place', async () => {
    const apply = async (client: ClientInput) =>
      (await applyBlueprint(worker.context(), { clients: [client] }, {})).changes
    expect(await apply(of(SECTOR))).toEqual(['created client a'])
    expect(await apply(of(SECTOR))).toEqual([])
    expect(fetches).toBe(1)
    listed = [ONE]
    const moved = of(SECTOR, { redirect_uris: [TWO] })
    await expect(apply(moved)).rejects.toThrow(
      `clients[0].sector_identifier_uri: does not list ${TWO}`,
    )
  })
})

describe('the salt', () => {
  const SALT = 'pairwise subjects'
  const stored = async () => {
    const rows = await worker
      .context()
      .db.read(sql<{ name: string; value: string }>`select name, value from stored_secret`)
    return rows
  }

  test('is made when it is first needed, once, and sealed', async () => {
    await make(pairwise('a'))
    expect(await stored()).toEqual([])
    const cx = worker.context()
    // Instances with no memory of each other.
    const salts = await Promise.all(
      Array.from({ length: 5 }, () => storedSecret({ ...cx, memory: new Map() }, SALT)),
    )
    expect(new Set(salts.map(String)).size).toBe(1)
    expect(await stored()).toEqual([{ name: SALT, value: expect.stringMatching(/^v1\./) }])
    expect(salts[0]).toHaveLength(32)
  })

  test('outlives the SECRET_KEY under which it was made', async () => {
    const [OLD, NEW] = ['AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8', 'B'.repeat(43)] as const
    const keys = async (text: string) =>
      (await startWorker({ SECRET_KEY: text })).config.secret_keys
    const [both, only] = [await keys(`${NEW},${OLD}`), await keys(NEW)]
    const salt = String(await storedSecret(worker.context(), SALT))
    const under = (secret_keys: typeof only) => {
      const cx = worker.context()
      return storedSecret({ ...cx, memory: new Map(), config: { ...cx.config, secret_keys } }, SALT)
    }
    await expect(under(only)).rejects.toThrow(/no present SECRET_KEY/)
    const [before] = await stored()
    expect(String(await under(both))).toBe(salt)
    expect(await stored()).not.toEqual([before])
    expect(String(await under(only))).toBe(salt)
  })
})
