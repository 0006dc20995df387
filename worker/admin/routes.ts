// The part of the management API that spans rooms: settings, events, and tokens minted for devices.
import {
  type Api,
  createApi,
  createRoute,
  decodeCursor,
  json,
  jsonBody,
  listOf,
  listQuery,
  page,
  problems,
  scoped,
  z,
} from '../api.ts'
import { loadSettings, settingsSchema } from '../settings.ts'
import { listEvents } from './event_store.ts'
import {
  listMintedTokens,
  mintDeviceToken,
  mintedTokenSchema,
  mintInput,
  revokeMintedToken,
} from './minted_tokens.ts'
import { type SettingsPatch, settingsPatch, updateSettings } from './settings_change.ts'

const settingsAnswer = settingsSchema.openapi('Settings')

const getSettings = createRoute({
  method: 'get',
  path: '/v1/settings',
  operationId: 'getSettings',
  tags: ['settings'],
  summary: 'All settings, defaults included',
  ...scoped('settings:read'),
  responses: {
    200: json(settingsAnswer, 'the settings'),
    ...problems('unauthorized', 'forbidden'),
  },
})

const patchSettings = createRoute({
  method: 'patch',
  path: '/v1/settings',
  operationId: 'updateSettings',
  tags: ['settings'],
  summary: 'Change settings; null puts one back to its default',
  ...scoped('settings:write'),
  request: { body: jsonBody(settingsPatch) },
  responses: {
    200: json(settingsAnswer, 'the settings as they are now'),
    ...problems('invalid_request', 'unauthorized', 'forbidden'),
  },
})

const eventSchema = z
  .object({
    id: z.string(),
    at: z.int(),
    type: z.string(),
    outcome: z.enum(['success', 'failure']),
    actor_kind: z.enum(['user', 'client', 'device', 'system', 'anonymous']),
    actor_id: z.string().nullable(),
    subject_id: z.string().nullable(),
    address: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('Event')

const listEventsRoute = createRoute({
  method: 'get',
  path: '/v1/events',
  operationId: 'listEvents',
  tags: ['events'],
  summary: 'What happened, newest first',
  ...scoped('events:read'),
  request: {
    query: listQuery.extend({
      type: z.string().max(100).optional(),
      subject_id: z.string().max(512).optional(), // a client may be named by an address
    }),
  },
  responses: {
    200: json(listOf(eventSchema), 'a page of events'),
    ...problems('invalid_request', 'unauthorized', 'forbidden'),
  },
})

const deviceParams = z.object({ id: z.string() })
const tokenParams = z.object({ id: z.string(), token_id: z.string() })

const mintToken = createRoute({
  method: 'post',
  path: '/v1/devices/{id}/tokens',
  operationId: 'mintDeviceToken',
  tags: ['devices'],
  summary: 'Mint a token for a device that cannot get one itself; it is shown this once',
  ...scoped('devices:write'),
  request: { params: deviceParams, body: jsonBody(mintInput) },
  responses: {
    201: json(
      mintedTokenSchema.extend({ access_token: z.string() }).openapi('MintedDeviceToken'),
      'the token',
    ),
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'not_found', 'conflict'),
  },
})

const listTokens = createRoute({
  method: 'get',
  path: '/v1/devices/{id}/tokens',
  operationId: 'listDeviceTokens',
  tags: ['devices'],
  summary: 'Tokens that were minted for a device, without the tokens themselves',
  ...scoped('devices:read'),
  request: { params: deviceParams, query: listQuery },
  responses: {
    200: json(listOf(mintedTokenSchema), 'a page of tokens'),
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'not_found'),
  },
})

const revokeToken = createRoute({
  method: 'delete',
  path: '/v1/devices/{id}/tokens/{token_id}',
  operationId: 'revokeDeviceToken',
  tags: ['devices'],
  summary: 'Revoke a minted token',
  ...scoped('devices:write'),
  request: { params: tokenParams },
  responses: {
    204: { description: 'it is revoked' },
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

export function adminRoutes(): Api {
  const api = createApi()
  api.openapi(getSettings, async (c) => c.json(await loadSettings(c.var.cx), 200))
  api.openapi(patchSettings, async (c) => {
    const patch = c.req.valid('json') as SettingsPatch
    return c.json(await updateSettings(c.var.cx, patch), 200)
  })
  api.openapi(listEventsRoute, async (c) => {
    const { cx } = c.var
    const { limit, cursor, ...filter } = c.req.valid('query')
    const before = decodeCursor(cx, 'events', cursor)
    const rows = await cx.db.read(listEvents({ ...filter, before }, limit + 1))
    const item = (row: (typeof rows)[number]) => ({ ...row, data: JSON.parse(row.data) })
    return c.json(
      page(cx, 'events', rows, limit, (row) => row.id, item),
      200,
    )
  })
  api.openapi(mintToken, async (c) => {
    const { id } = c.req.valid('param')
    const minted = await mintDeviceToken(c.var.cx, id, c.req.valid('json'))
    c.header('Location', `/v1/devices/${id}/tokens/${minted.id}`)
    c.header('Cache-Control', 'no-store')
    return c.json(minted, 201)
  })
  api.openapi(listTokens, async (c) => {
    const { cx } = c.var
    const { id } = c.req.valid('param')
    const { limit, cursor } = c.req.valid('query')
    const kind = `tokens of ${id}`
    const rows = await listMintedTokens(cx, id, decodeCursor(cx, kind, cursor), limit + 1)
    return c.json(
      page(
        cx,
        kind,
        rows,
        limit,
        (row) => row.id,
        (row) => row,
      ),
      200,
    )
  })
  api.openapi(revokeToken, async (c) => {
    const { id, token_id } = c.req.valid('param')
    await revokeMintedToken(c.var.cx, id, token_id)
    return c.body(null, 204)
  })
  return api
}
