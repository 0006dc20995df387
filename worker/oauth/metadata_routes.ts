// The two addresses at which clients find everything else.
import { Hono } from 'hono'
import type { Env, Http } from '../http.ts'
import { loadSettings } from '../settings.ts'
import { metadata } from './metadata.ts'

const MAX_AGE = 300

/** Database round trips, warm: 0. */
export function metadataRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get('/.well-known/openid-configuration', answer)
    .get('/.well-known/oauth-authorization-server', answer)
}

async function answer(c: Http): Promise<Response> {
  c.header('Cache-Control', `public, max-age=${MAX_AGE}`)
  c.header('Access-Control-Allow-Origin', '*')
  const { cx } = c.var
  return c.json(metadata(cx, await loadSettings(cx)))
}
