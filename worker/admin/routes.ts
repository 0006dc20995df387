// Admin: all that spans rooms.
// Routes: /v1/settings, /v1/messages, /v1/events, and the minted tokens of /v1/devices/{id}/tokens.
// Tables: none; it reads `event`, and changes settings and texts through the ground.
// Files: blueprint.ts plans and applies a blueprint (the command line calls it), settings_change.ts
// changes settings, message_texts.ts texts, minted_tokens.ts mints.
// Leaves to each room what an entry of the blueprint may contain and what it changes.
import { operation } from '../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, nothing, z } from '../api.ts'
import { MESSAGE_KEYS } from '../messages/catalogues.ts'
import { LOCALES } from '../messages/locales.ts'
import { loadSettings, settingsSchema } from '../settings.ts'
import { eventQuery, eventSchema, listEvents } from './event_list.ts'
import {
  changeMessage,
  getMessage,
  listMessages,
  messageInput,
  messageSchema,
} from './message_texts.ts'
import {
  listMintedTokens,
  mintDeviceToken,
  mintedTokenSchema,
  mintInput,
  revokeMintedToken,
} from './minted_tokens.ts'
import { changeSettings, type SettingsPatch, settingsPatch } from './settings_change.ts'

const settingsAnswer = settingsSchema.openapi('Settings')

const localeSchema = z.enum(LOCALES)
const messageParams = z.object({ locale: localeSchema, key: z.enum(MESSAGE_KEYS) })

const deviceParams = z.object({ id: z.string() })
const tokenParams = z.object({ id: z.string(), token_id: z.string() })

export function adminRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'getSettings',
    at: 'GET /v1/settings',
    summary: 'All settings, defaults included',
    scope: 'settings:read',
    answers: { 200: json(settingsAnswer, 'the settings') },
    run: async (c) => c.json(await loadSettings(c.var.cx), 200),
  })
  operation(api, {
    id: 'updateSettings',
    at: 'PATCH /v1/settings',
    summary: 'Change settings; null puts one back to its default',
    scope: 'settings:write',
    body: settingsPatch,
    answers: { 200: json(settingsAnswer, 'the settings as they are now') },
    run: async (c, { body }) => c.json(await changeSettings(c.var.cx, body as SettingsPatch), 200),
  })
  operation(api, {
    id: 'listMessages',
    at: 'GET /v1/messages',
    summary: 'The texts of pages in one language, by key, each beside that of the program',
    scope: 'settings:read',
    query: listQuery.extend({ locale: localeSchema.default('en') }),
    answers: { 200: json(listOf(messageSchema), 'a page of texts') },
    run: async (c, { query }) => c.json(await listMessages(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getMessage',
    at: 'GET /v1/messages/{locale}/{key}',
    summary: 'A text of pages in one language',
    scope: 'settings:read',
    params: messageParams,
    answers: { 200: json(messageSchema, 'the text') },
    run: async (c, { params }) => c.json(await getMessage(c.var.cx, params), 200),
  })
  operation(api, {
    id: 'putMessage',
    at: 'PUT /v1/messages/{locale}/{key}',
    summary: 'Write a text in the place of that of the program, in ICU MessageFormat',
    scope: 'settings:write',
    params: messageParams,
    body: messageInput,
    answers: { 200: json(messageSchema, 'the text as it is now') },
    problems: ['conflict'],
    run: async (c, { params, body }) =>
      c.json(await changeMessage(c.var.cx, params, body.text), 200),
  })
  operation(api, {
    id: 'deleteMessage',
    at: 'DELETE /v1/messages/{locale}/{key}',
    summary: 'Put a text back to that of the program',
    scope: 'settings:write',
    params: messageParams,
    answers: nothing('it is the text of the program'),
    problems: ['conflict'],
    async run(c, { params }) {
      await changeMessage(c.var.cx, params, null)
      return c.body(null, 204)
    },
  })
  operation(api, {
    id: 'listEvents',
    at: 'GET /v1/events',
    summary: 'What happened, newest first',
    scope: 'events:read',
    isWithinReach: true,
    query: listQuery.extend(eventQuery.shape),
    answers: { 200: json(listOf(eventSchema), 'a page of events') },
    run: async (c, { query }) => c.json(await listEvents(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'mintDeviceToken',
    at: 'POST /v1/devices/{id}/tokens',
    summary: 'Mint a token for a device that cannot get one itself; it is shown this once',
    scope: 'devices:write',
    isWithinReach: true,
    params: deviceParams,
    body: mintInput,
    answers: {
      201: json(
        mintedTokenSchema.extend({ access_token: z.string() }).openapi('MintedDeviceToken'),
        'the token',
      ),
    },
    async run(c, { params: { id }, body }) {
      const minted = await mintDeviceToken(c.var.cx, id, body)
      c.header('Location', `/v1/devices/${id}/tokens/${minted.id}`)
      c.header('Cache-Control', 'no-store')
      return c.json(minted, 201)
    },
  })
  operation(api, {
    id: 'listDeviceTokens',
    at: 'GET /v1/devices/{id}/tokens',
    summary: 'Tokens that were minted for a device, without the tokens themselves',
    scope: 'devices:read',
    isWithinReach: true,
    params: deviceParams,
    query: listQuery,
    answers: { 200: json(listOf(mintedTokenSchema), 'a page of tokens') },
    run: async (c, { params, query }) =>
      c.json(await listMintedTokens(c.var.cx, params.id, query), 200),
  })
  operation(api, {
    id: 'revokeDeviceToken',
    at: 'DELETE /v1/devices/{id}/tokens/{token_id}',
    summary: 'Revoke a minted token',
    scope: 'devices:write',
    isWithinReach: true,
    params: tokenParams,
    answers: nothing('it is revoked'),
    async run(c, { params: { id, token_id } }) {
      await revokeMintedToken(c.var.cx, id, token_id)
      return c.body(null, 204)
    },
  })
  return api
}
