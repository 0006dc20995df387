// The published keys, and their part of the management API. Private keys leave the room for nobody.
import { Hono } from 'hono'
import { type Api, createApi, createRoute, json, problems, scoped, z } from '../api.ts'
import type { Env } from '../http.ts'
import { paserks } from './paseto.ts'
import { currentKey, JWKS_MAX_AGE, jwks, rotateKey, signingKeys } from './signing_keys.ts'
import type { KeyRow } from './store.ts'

/** Database round trips: 0 warm, 1 cold; the PASERKs one more while there is no such key. */
export function jwksRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get('/.well-known/jwks.json', async (c) => {
      // Cacheable: with no-store, readers such as Hasura would fetch it every second.
      c.header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
      c.header('Access-Control-Allow-Origin', '*')
      return c.json(await jwks(c.var.cx))
    })
    .get('/.well-known/paserk.json', async (c) => {
      const found = await paserks(c.var.cx)
      // The first key of its kind signs as soon as it is made, so that there is none is not to be remembered.
      const isEmpty = found.keys.length === 0
      c.header('Cache-Control', isEmpty ? 'no-cache' : `public, max-age=${JWKS_MAX_AGE}`)
      c.header('Access-Control-Allow-Origin', '*')
      return c.json(found)
    })
}

const keySchema = z
  .object({
    kid: z.string(),
    alg: z.enum(['ES256', 'RS256', 'EdDSA']),
    status: z.enum(['waiting', 'current', 'retired']),
    created_at: z.int(),
    signs_at: z.int(),
  })
  .openapi('Key')

const listKeysRoute = createRoute({
  method: 'get',
  path: '/v1/keys',
  operationId: 'listKeys',
  tags: ['keys'],
  summary: 'All signing keys, without their private parts',
  ...scoped('keys:read'),
  responses: {
    200: json(z.object({ items: z.array(keySchema), next_cursor: z.null() }), 'the keys'),
    ...problems('unauthorized', 'forbidden'),
  },
})

const rotateKeyRoute = createRoute({
  method: 'post',
  path: '/v1/keys/{alg}/rotate',
  operationId: 'rotateKey',
  tags: ['keys'],
  summary: 'Make the next signing key; it is published now and signs once every cache has seen it',
  ...scoped('keys:write'),
  request: { params: z.object({ alg: z.enum(['ES256', 'RS256', 'EdDSA']) }) },
  responses: {
    201: json(keySchema, 'the key that signs next'),
    ...problems('unauthorized', 'forbidden'),
  },
})

export function keyRoutes(): Api {
  const api = createApi()
  api.openapi(listKeysRoute, async (c) => {
    const { cx } = c.var
    const keys = await signingKeys(cx)
    const items = keys.map((key) => describe(key, currentKey(cx, keys, key.alg)))
    return c.json({ items, next_cursor: null }, 200)
  })
  api.openapi(rotateKeyRoute, async (c) => {
    const { cx } = c.var
    const next = await rotateKey(cx, c.req.valid('param').alg)
    return c.json(describe(next, currentKey(cx, await signingKeys(cx), next.alg)), 201)
  })
  return api
}

function describe({ kid, alg, created_at, signs_at }: KeyRow, current: KeyRow | undefined) {
  const status =
    kid === current?.kid ? 'current' : signs_at > (current?.signs_at ?? 0) ? 'waiting' : 'retired'
  return { kid, alg, status, created_at, signs_at } as const
}
