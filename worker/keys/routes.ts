// Keys: the signing keys of this issuer, and how keys of others are fetched and judged.
// Routes: the JWKS and the PASERKs under /.well-known, and /v1/keys.
// Table: `signing_key` (store.ts).
// Files: signing_keys.ts makes and rotates keys, key_revocation.ts takes them out, resealing.ts
// follows a new SECRET_KEY, jwt.ts and paseto.ts sign and check, remote_jwks.ts fetches key sets of
// others, public_key.ts judges keys, jwt_header.ts reads the headers of JWTs.
// Leaves to the rooms above the claims of a token, and whose key sets count. Private keys never
// leave the room.
import { Hono } from 'hono'
import { operation } from '../api/operation.ts'
import { type Api, createApi, json, z } from '../api.ts'
import { crossOrigin, type Env } from '../http.ts'
import { revokedKeySchema, revokeKey } from './key_revocation.ts'
import { describeKey, describeKeys, keySchema } from './key_status.ts'
import { paserks } from './paseto.ts'
import { keyStatus, keyStatusSchema, reseal, resealedSchema } from './resealing.ts'
import { JWKS_MAX_AGE, jwks, makeSuccessor } from './signing_keys.ts'

/** Database round trips: 0 warm, 1 cold; the PASERKs one more while there is no such key. */
export function jwksRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use('/.well-known/jwks.json', crossOrigin(['GET', 'HEAD']))
    .use('/.well-known/paserk.json', crossOrigin(['GET', 'HEAD']))
    .get('/.well-known/jwks.json', async (c) => {
      // Cacheable: with no-store, readers such as Hasura would fetch it every second.
      c.header('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`)
      return c.json(await jwks(c.var.cx))
    })
    .get('/.well-known/paserk.json', async (c) => {
      const found = await paserks(c.var.cx)
      // The first key of its kind signs as soon as it is made, so an empty answer must not be
      // cached.
      const isEmpty = found.keys.length === 0
      c.header('Cache-Control', isEmpty ? 'no-cache' : `public, max-age=${JWKS_MAX_AGE}`)
      return c.json(found)
    })
}

export function keyRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'listKeys',
    at: 'GET /v1/keys',
    summary: 'All signing keys, without their private parts',
    scope: 'keys:read',
    answers: {
      200: json(z.object({ items: z.array(keySchema), next_cursor: z.null() }), 'the keys'),
    },
    run: async (c) => c.json({ items: await describeKeys(c.var.cx), next_cursor: null }, 200),
  })
  operation(api, {
    id: 'getKeyStatus',
    at: 'GET /v1/keys/status',
    summary: 'Which SECRET_KEY sealed what, and whether an old one may be dropped',
    scope: 'keys:read',
    answers: { 200: json(keyStatusSchema, 'the status') },
    run: async (c) => c.json(await keyStatus(c.var.cx), 200),
  })
  operation(api, {
    id: 'resealSecrets',
    at: 'POST /v1/keys/reseal',
    summary:
      'Seal with the newest SECRET_KEY now, once every instance has it; else it begins after an hour',
    scope: 'keys:write',
    answers: { 200: json(resealedSchema, 'what was sealed anew') },
    run: async (c) => c.json(await reseal(c.var.cx), 200),
  })
  operation(api, {
    id: 'rotateKey',
    at: 'POST /v1/keys/{alg}/rotate',
    summary:
      'Make the next signing key; it is published now and signs once every cache has seen it',
    scope: 'keys:write',
    params: z.object({ alg: z.enum(['ES256', 'RS256', 'EdDSA']) }),
    answers: {
      200: json(keySchema, 'a key waits already; it signs next'),
      201: json(keySchema, 'the key was made; it signs next'),
    },
    async run(c, { params }) {
      const { cx } = c.var
      const { key, isNew } = await makeSuccessor(cx, params.alg)
      return c.json(await describeKey(cx, key), isNew ? 201 : 200)
    },
  })
  operation(api, {
    id: 'revokeKey',
    at: 'DELETE /v1/keys/{kid}',
    summary:
      'Revoke a signing key at once; tokens it signed count no more, and a successor signs in its place',
    scope: 'keys:write',
    params: z.object({ kid: z.string().min(1).max(64) }),
    answers: { 200: json(revokedKeySchema, 'the key is revoked') },
    run: async (c, { params }) => c.json(await revokeKey(c.var.cx, params.kid), 200),
  })
  return api
}
