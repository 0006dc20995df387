// Well-known addresses: metadata of the issuer, and of the management API as a resource.
import { Hono } from 'hono'
import type { Context } from '../context.ts'
import { crossOrigin, type Env, type Http } from '../http.ts'
import { loadSettings } from '../settings.ts'
import { wellKnown } from '../web/issuer_path.ts'
import { resourceMetadata, serverMetadata } from './server_metadata.ts'

const MAX_AGE = 300

const RESOURCE = 'oauth-protected-resource'
const OPENID_METADATA = '/.well-known/openid-configuration'
const OAUTH_METADATA = '/.well-known/oauth-authorization-server'
const RESOURCE_METADATA = `/.well-known/${RESOURCE}/v1`

/** Where the metadata of the management API are. */
export const resourceMetadataUri = (cx: Context): string =>
  wellKnown(cx.config.issuer, RESOURCE, '/v1')

/** Database round trips: 0 warm, 1 cold. */
export function serverMetadataRoutes(): Hono<Env> {
  const routes = new Hono<Env>()
  for (const path of [OPENID_METADATA, OAUTH_METADATA, RESOURCE_METADATA]) {
    routes.use(path, crossOrigin(['GET', 'HEAD']))
  }
  return routes
    .get(OPENID_METADATA, answerMetadata)
    .get(OAUTH_METADATA, answerMetadata)
    .get(RESOURCE_METADATA, (c) => answer(c, resourceMetadata(c.var.cx)))
}

const answerMetadata = async (c: Http) =>
  answer(c, serverMetadata(c.var.cx, await loadSettings(c.var.cx)))

function answer(c: Http, document: object): Response {
  c.header('Cache-Control', `public, max-age=${MAX_AGE}`)
  return c.json(document)
}
