// Well-known addresses: metadata of the issuer, and of the management API as a resource.
import { Hono } from 'hono'
import type { Context } from '../context.ts'
import type { Env, Http } from '../http.ts'
import { loadSettings } from '../settings.ts'
import { wellKnown } from '../web/issuer_path.ts'
import { resourceMetadata, serverMetadata } from './server_metadata.ts'

const MAX_AGE = 300

const RESOURCE = 'oauth-protected-resource'

/** Where the metadata of the management API are. */
export const resourceMetadataUri = (cx: Context): string =>
  wellKnown(cx.config.issuer, RESOURCE, '/v1')

/** Database round trips: 0 warm, 1 cold. */
export function serverMetadataRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get('/.well-known/openid-configuration', answerMetadata)
    .get('/.well-known/oauth-authorization-server', answerMetadata)
    .get(`/.well-known/${RESOURCE}/v1`, (c) => answer(c, resourceMetadata(c.var.cx)))
}

const answerMetadata = async (c: Http) =>
  answer(c, serverMetadata(c.var.cx, await loadSettings(c.var.cx)))

function answer(c: Http, document: object): Response {
  c.header('Cache-Control', `public, max-age=${MAX_AGE}`)
  c.header('Access-Control-Allow-Origin', '*')
  return c.json(document)
}
