// The claims `roles` and `groups`, and the claims that a client wants in its ID tokens: which token says which.
import { beforeEach, describe, expect, test } from 'vitest'
import { createGroup } from '../../../worker/access/groups.ts'
import * as schema from '../../../worker/db/schema.ts'
import { insertInto, sql } from '../../../worker/db/sql.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { follow, requestPath, signIn as startSession } from '../flow.ts'
import {
  addApp,
  addClient,
  addGrant,
  basic,
  claimsOf,
  MQTT,
  post,
  refresh,
  signIn,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

const SHOP = 'https://shop.example/'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token'
const ALL = 'openid email roles groups offline_access'
const TEAM = { id: 'team-7', name: 'Team Seven' }
const SITE = { id: 'site-12', name: '12 Garden Street' }
const FLOOR = { id: 'floor-1', name: 'First floor' }

let worker: TestWorker

const join = (member_id: string, group_id: string) =>
  write(worker, insertInto(schema.membership, { member_id, group_id, created_at: 1 }))

beforeEach(async () => {
  worker = await startIssuer()
  await addApp(worker, { scope: `${ALL} profile mqtt shop:read`, resources: [SHOP] })
  const cx = worker.context()
  await createGroup(cx, { ...TEAM, kind: 'team' })
  await createGroup(cx, { ...SITE, kind: 'site' })
  await createGroup(cx, { ...FLOOR, kind: 'floor', parent_id: SITE.id })
  await join('ann', TEAM.id)
  await join('ann', FLOOR.id)
  await addGrant(worker, 'ann', { name: 'editor', permissions: [] })
  await addGrant(worker, TEAM.id, { name: 'viewer', permissions: [] })
  // A role on one object is none on everything, and one that has ended is none.
  await addGrant(worker, 'ann', { name: 'resident', permissions: [] })
  await write(worker, sql`update "grant" set object_id = ${SITE.id} where role = 'resident'`)
  await addGrant(worker, 'ann', { name: 'past', permissions: [], expires_at: worker.clock.now })
})

const set = (members: Parameters<typeof changeClient>[2]) =>
  changeClient(worker.context(), 'app', members, null)

const rightsIn = (claims: Record<string, unknown>) =>
  Object.fromEntries(
    ['roles', 'groups'].filter((name) => name in claims).map((name) => [name, claims[name]]),
  )

async function userinfo(access_token: string): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${access_token}` }
  return (await worker.request('/oauth/userinfo', { headers })).json()
}

const ROLES = ['editor', 'viewer']
const GROUPS = [FLOOR, TEAM]

describe('roles and groups', () => {
  test('are in the access token and at userinfo, and in the ID token only where the client wants them', async () => {
    const signedIn = await signIn(worker, { scope: ALL })
    expect(claimsOf(signedIn.access_token)).toMatchObject({ roles: ROLES, groups: GROUPS })
    expect(await userinfo(signedIn.access_token)).toMatchObject({ roles: ROLES, groups: GROUPS })
    expect(rightsIn(claimsOf(signedIn.id_token))).toEqual({})
  })

  test.each([
    ['openid', {}],
    ['openid roles', { roles: ROLES }],
    ['openid groups', { groups: GROUPS }],
  ])('come with their scopes alone: %s', async (scope, expected) => {
    await set({ id_token_claims: 'scopes' })
    const signedIn = await signIn(worker, { scope })
    expect(rightsIn(claimsOf(signedIn.access_token))).toEqual(expected)
    expect(rightsIn(claimsOf(signedIn.id_token))).toEqual(expected)
    expect(rightsIn(await userinfo(signedIn.access_token))).toEqual(expected)
  })

  test('of a person who has none are empty, not absent', async () => {
    await write(worker, sql`delete from "grant"`, sql`delete from membership`)
    const { access_token } = await signIn(worker, { scope: ALL })
    expect(rightsIn(claimsOf(access_token))).toEqual({ roles: [], groups: [] })
  })

  test('are in an access token only as the client wants them', async () => {
    await set({ access_token_claims: ['groups'] })
    expect(rightsIn(claimsOf((await signIn(worker, { scope: ALL })).access_token))).toEqual({
      groups: GROUPS,
    })
    await set({ access_token_claims: [] })
    const { access_token } = await signIn(worker, { scope: ALL })
    expect(rightsIn(claimsOf(access_token))).toEqual({})
    expect(rightsIn(await userinfo(access_token))).toEqual({ roles: ROLES, groups: GROUPS })
  })

  test.each([
    ['id', [FLOOR.id, TEAM.id]],
    ['name', [FLOOR.name, TEAM.name]],
    ['id_and_name', GROUPS],
  ] as const)('say memberships by %s where the client wants that', async (groups_claim, groups) => {
    await set({ groups_claim, id_token_claims: ['groups'] })
    const signedIn = await signIn(worker, { scope: ALL })
    expect(rightsIn(claimsOf(signedIn.id_token))).toEqual({ groups })
    expect(claimsOf(signedIn.access_token).groups).toEqual(groups)
    expect((await userinfo(signedIn.access_token))['groups']).toEqual(groups)
  })

  test('say no membership outside the group that the client is narrowed to', async () => {
    await set({ groups_within: SITE.id, id_token_claims: 'scopes' })
    const signedIn = await signIn(worker, { scope: ALL })
    for (const claims of [
      claimsOf(signedIn.id_token),
      claimsOf(signedIn.access_token),
      await userinfo(signedIn.access_token),
    ]) {
      expect(claims['groups']).toEqual([FLOOR])
    }
    await join('ann', SITE.id)
    expect((await userinfo(signedIn.access_token))['groups']).toEqual([FLOOR, SITE])
    await set({ groups_within: 'site-of-nobody' })
    // The token of before says more, so another one is fetched.
    expect(await userinfo(signedIn.access_token)).not.toHaveProperty('groups')
    const { body } = await refresh(worker, signedIn.refresh_token)
    expect((await userinfo(body.access_token ?? ''))['groups']).toEqual([])
  })

  test('are what they are at each refresh', async () => {
    await set({ id_token_claims: ['roles'] })
    const { refresh_token } = await signIn(worker, { scope: ALL })
    await write(worker, sql`delete from "grant" where role = 'editor'`)
    const { body } = await refresh(worker, refresh_token)
    expect(claimsOf(body.access_token).roles).toEqual(['viewer'])
    expect(claimsOf(body.id_token).roles).toEqual(['viewer'])
    await set({ scope: 'openid offline_access' })
    const less = await refresh(worker, body.refresh_token ?? '')
    expect(rightsIn(claimsOf(less.body.access_token))).toEqual({})
    expect(rightsIn(claimsOf(less.body.id_token))).toEqual({})
  })

  test('go to the service that a token is for, and not to mProxy', async () => {
    await set({ id_token_claims: ['roles'] })
    const own = { scope: `${ALL} shop:read`, resource: [SHOP] }
    const shop = await signIn(worker, own)
    expect(claimsOf(shop.access_token)).toMatchObject({
      aud: SHOP,
      scope: 'roles groups shop:read',
      roles: ROLES,
      groups: GROUPS,
    })
    expect(claimsOf(shop.id_token).roles).toEqual(ROLES)
    const devices = await signIn(worker, { scope: 'openid mqtt roles groups' })
    expect(claimsOf(devices.access_token).aud).toEqual([MQTT, ISSUER])
    expect(rightsIn(claimsOf(devices.access_token))).toEqual({})
    expect(claimsOf(devices.id_token).roles).toEqual(ROLES)
  })

  test('go with an exchanged token as the client that acts wants them', async () => {
    const secret = await addClient(worker, {
      client_id: 'shop',
      grant_types: [EXCHANGE],
      scope: 'shop:read roles groups',
      serves: [SHOP],
      resources: ['https://stock.example/'],
      groups_claim: 'id',
      groups_within: SITE.id,
    })
    const { access_token } = await signIn(worker, { scope: `${ALL} shop:read`, resource: [SHOP] })
    const exchange = (scope: string) =>
      token(
        worker,
        {
          grant_type: EXCHANGE,
          subject_token: access_token,
          subject_token_type: ACCESS,
          resource: 'https://stock.example/',
          scope,
        },
        basic('shop', secret),
      )
    const { body } = await exchange('shop:read roles groups')
    expect(claimsOf(body.access_token)).toMatchObject({ roles: ROLES, groups: [FLOOR.id] })
    const { body: less } = await exchange('shop:read')
    expect(rightsIn(claimsOf(less.access_token))).toEqual({})
  })

  test('are for people: a client or a device that acts for itself has none', async () => {
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope: 'roles groups shop:read',
    })
    const ask = async (more: Record<string, string>) =>
      (await token(worker, { grant_type: 'client_credentials', ...more }, basic('job', secret)))
        .body
    expect((await ask({ scope: 'roles' })).error).toBe('invalid_scope')
    const { access_token, scope } = await ask({})
    expect([scope, rightsIn(claimsOf(access_token))]).toEqual(['shop:read', {}])
  })

  test('of a pairwise client’s token are those of its person', async () => {
    await addApp(worker, { client_id: 'diary', subject_type: 'pairwise', scope: ALL })
    const signedIn = await signIn(worker, { client_id: 'diary', scope: ALL })
    expect(claimsOf(signedIn.access_token)).toMatchObject({ roles: ROLES, groups: GROUPS })
    expect(await userinfo(signedIn.access_token)).toMatchObject({ roles: ROLES, groups: GROUPS })
  })

  test('are named in the metadata and on the consent page', async () => {
    const metadata = await (await worker.request('/.well-known/openid-configuration')).json()
    expect(metadata).toMatchObject({
      scopes_supported: expect.arrayContaining(['roles', 'groups']),
      claims_supported: expect.arrayContaining(['roles', 'groups']),
    })
    const { redirect_uris } = (await set({ redirect_uris: ['https://app.example/callback'] })) ?? {}
    expect(redirect_uris).toHaveLength(1)
    const browser = new Browser(worker).inEnglish()
    await startSession(worker, browser, 'ann')
    const { html } = await follow(
      browser,
      await browser.get(requestPath({ scope: 'openid roles groups' })),
    )
    expect(html).toContain('see which roles you have here')
    expect(html).toContain('see which groups you belong to')
  })

  test('cost no round trip', async () => {
    await set({ id_token_claims: 'scopes' })
    const { access_token, refresh_token } = await signIn(worker, { scope: ALL })
    const one = await countRoundTrips(worker, () => refresh(worker, refresh_token))
    const other = await countRoundTrips(worker, () => userinfo(access_token))
    expect([one.value.status, one.roundTrips, other.roundTrips]).toEqual([200, 2, 1])
  })

  test('are told by introspection as the token says them', async () => {
    const secret = await addClient(worker, {
      client_id: 'shop',
      grant_types: ['client_credentials'],
      serves: [SHOP],
    })
    const { access_token } = await signIn(worker, { scope: 'roles shop:read', resource: [SHOP] })
    const { body } = await post(
      worker,
      '/oauth/introspect',
      { token: access_token },
      basic('shop', secret),
    )
    expect(body).toMatchObject({ active: true, roles: ROLES })
  })
})

describe('the claims of an ID token', () => {
  const personal = (id_token: string | undefined) => {
    const { email, email_verified, name, locale, roles } = claimsOf(id_token)
    return { email, email_verified, name, locale, roles }
  }

  test.each([
    [[], {}],
    [['email'], { email: 'ann@example.com' }],
    [['email', 'name', 'roles'], { email: 'ann@example.com', roles: ROLES }],
    ['scopes', { email: 'ann@example.com', email_verified: true, roles: ROLES }],
  ] as const)('wanted as %j are those of granted scopes', async (id_token_claims, expected) => {
    await set({ id_token_claims: id_token_claims === 'scopes' ? 'scopes' : [...id_token_claims] })
    // The person was not asked for the profile.
    const { id_token } = await signIn(worker, { scope: 'openid email roles' })
    const none = { email: undefined, email_verified: undefined, name: undefined, locale: undefined }
    expect(personal(id_token)).toEqual({ ...none, roles: undefined, ...expected })
  })

  test('are there too where a resource narrows the access token', async () => {
    await set({ id_token_claims: 'scopes' })
    const given = { scope: 'openid email shop:read', resource: [SHOP] }
    const { id_token, scope } = await signIn(worker, given)
    expect(scope).toBe('shop:read')
    expect(claimsOf(id_token).email).toBe('ann@example.com')
  })

  test('end with the registration for the scope', async () => {
    await set({ id_token_claims: 'scopes' })
    const { refresh_token } = await signIn(worker, { scope: 'openid email offline_access' })
    await set({ scope: 'openid offline_access' })
    const { body } = await refresh(worker, refresh_token)
    expect(claimsOf(body.id_token).email).toBeUndefined()
  })
})
