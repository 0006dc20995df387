// docs/integrations.md: its clients, as they stand there, give tokens that the programs can read.
import type { JSONWebKeySet } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import page from '../../docs/integrations.md?raw'
import { createGroup } from '../../worker/access/groups.ts'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import * as schema from '../../worker/db/schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { ISSUER, type TestWorker } from '../context.ts'
import { type HasuraConfig, hasuraSession } from './hasura.ts'
import {
  addCode,
  addGrant,
  basic,
  claimsOf,
  startIssuer,
  token,
  VERIFIER,
  write,
} from './token_fixtures.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'

const ENVIRONMENT = { GRAFANA_SECRET: SECRET, ARGOCD_SECRET: SECRET, WEBSITE_SECRET: SECRET }

const blocks = (language: string): string[] =>
  [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, name]) => name === language)
    .map(([, , text = '']) => text.replaceAll('https://id.example.com', ISSUER))

const blueprints = blocks('yaml').filter((text) => text.startsWith('clients:'))
const clients = blueprints.flatMap((text) => parse(text).clients as Client[])
type Client = { client_id: string; client_secret?: string; redirect_uris: string[]; scope: string }

let worker: TestWorker

beforeEach(async () => {
  worker = await startIssuer()
  const cx = worker.context()
  await createGroup(cx, { id: 'operations', kind: 'team', name: 'Operations' })
  await createGroup(cx, { id: 'team-7', kind: 'team', name: 'Team Seven', parent_id: 'operations' })
  await createGroup(cx, { id: 'site-12', kind: 'site', name: '12 Garden Street' })
  for (const group_id of ['team-7', 'site-12']) {
    await write(
      worker,
      insertInto(schema.membership, { member_id: 'ann', group_id, created_at: 1 }),
    )
  }
  await addGrant(worker, 'ann', { name: 'editor', permissions: [] })
  await addGrant(worker, 'team-7', { name: 'grafana-admin', permissions: [] })
  for (const text of blueprints) await applyBlueprint(cx, parse(text), ENVIRONMENT)
})

/** Tokens of Ann for a client of the page, with all its scopes. */
async function tokensOf(client_id: string, resource: string[] = []) {
  const client = clients.find((one) => one.client_id === client_id)
  const [redirect_uri = ''] = client?.redirect_uris ?? []
  const { code } = await addCode(worker, {
    client_id,
    redirect_uri,
    scope: client?.scope ?? '',
    resource,
  })
  const { body } = await token(
    worker,
    {
      grant_type: 'authorization_code',
      code,
      redirect_uri,
      code_verifier: VERIFIER,
      ...(client?.client_secret === undefined ? { client_id } : {}),
    },
    client?.client_secret === undefined ? {} : basic(client_id, SECRET),
  )
  if (body.access_token === undefined) throw new Error(JSON.stringify(body))
  return { access_token: body.access_token, id_token: body.id_token ?? '' }
}

test('the page has a client for each program', () => {
  expect(clients.map(({ client_id }) => client_id)).toEqual([
    'shop-app',
    'grafana',
    'kubernetes',
    'argocd',
    'website',
  ])
})

describe('Hasura', () => {
  const config: HasuraConfig = JSON.parse(blocks('json')[0] ?? '')
  const GRAPHQL = 'https://graphql.example.com/'
  const read = async (url: string): Promise<JSONWebKeySet> => (await worker.request(url)).json()
  const session = (jwt: string, role?: string, by = config) =>
    hasuraSession(by, jwt, read, {
      now: worker.clock.now,
      ...(role === undefined ? {} : { role }),
    })

  test('lets a person in with the roles that the access token says', async () => {
    const { access_token } = await tokensOf('shop-app', [GRAPHQL])
    expect(await session(access_token)).toEqual({
      role: 'editor',
      allowed: ['editor', 'grafana-admin'],
      variables: { 'x-hasura-default-role': 'editor', 'x-hasura-user-id': 'ann' },
    })
    expect((await session(access_token, 'grafana-admin')).role).toBe('grafana-admin')
    await expect(session(access_token, 'operator')).rejects.toThrow('not in the allowed roles')
  })

  test('refuses a person without roles, and tokens for others', async () => {
    const { access_token, id_token } = await tokensOf('shop-app', [GRAPHQL])
    await expect(session(id_token)).rejects.toThrow('audience')
    const plain = await tokensOf('shop-app')
    await expect(session(plain.access_token)).rejects.toThrow('audience')
    await expect(
      session(access_token, undefined, { ...config, issuer: 'https://other.example' }),
    ).rejects.toThrow('issuer')
    await write(worker, sql`delete from "grant"`)
    const { access_token: none } = await tokensOf('shop-app', [GRAPHQL])
    await expect(session(none)).rejects.toThrow('x-hasura-default-role is no text')
    worker.clock.now += 601
    await expect(session(access_token)).rejects.toThrow('"exp" claim timestamp check failed')
  })
})

test('Grafana finds address, roles and groups in the ID token', async () => {
  const claims = claimsOf((await tokensOf('grafana')).id_token)
  expect(claims).toMatchObject({ email: 'ann@example.com', roles: ['editor', 'grafana-admin'] })
  const groups = claims.groups as { id: string }[]
  expect(groups.map(({ id }) => id)).toEqual(['site-12', 'team-7'])
})

test('Kubernetes finds a list of texts, with no group of a customer in it', async () => {
  const { id_token } = await tokensOf('kubernetes')
  const { iss, aud, sub, groups, roles, email } = claimsOf(id_token)
  expect({ iss, aud, sub, groups, roles, email }).toEqual({
    iss: ISSUER,
    aud: 'kubernetes',
    sub: 'ann',
    groups: ['team-7'],
    roles: undefined,
    email: undefined,
  })
})

test('Argo CD finds a list of texts, and the address', async () => {
  expect(claimsOf((await tokensOf('argocd')).id_token)).toMatchObject({
    email: 'ann@example.com',
    name: 'Ann Ex',
    groups: ['site-12', 'team-7'],
  })
})

test('Auth.js finds name and address in the ID token', async () => {
  const claims = claimsOf((await tokensOf('website')).id_token)
  expect(claims).toMatchObject({ email: 'ann@example.com', name: 'Ann Ex' })
  expect(claims).not.toHaveProperty('groups')
})
