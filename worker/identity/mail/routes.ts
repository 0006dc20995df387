// /v1/outbox and /v1/mail; mails.ts has the plate of this room.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, nothing, z } from '../../api.ts'
import { emailSchema } from '../../email_address.ts'
import { mailPreviewSchema, previewMail, previewQuery } from './mail_preview.ts'
import { readMail, wholeMailSchema } from './mail_reading.ts'
import { listOutbox, mailSchema, outboxQuery } from './outbox_list.ts'
import {
  clearMark,
  listMarks,
  mailReportInput,
  reportMail,
  undeliverableSchema,
} from './undeliverable.ts'

export function mailRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'listOutbox',
    at: 'GET /v1/outbox',
    summary: 'Mails to people, the newest first: to whom, of which kind and how they went, no text',
    scope: 'users:read',
    query: outboxQuery,
    answers: { 200: json(listOf(mailSchema), 'a page of the outbox') },
    run: async (c, { query }) => c.json(await listOutbox(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'listUndeliverable',
    at: 'GET /v1/outbox/undeliverable',
    summary: 'Addresses that no mail is sent to',
    scope: 'users:read',
    query: listQuery,
    answers: { 200: json(listOf(undeliverableSchema), 'a page of addresses') },
    run: async (c, { query }) => c.json(await listMarks(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'clearUndeliverable',
    at: 'DELETE /v1/outbox/undeliverable/{address}',
    summary: 'Send mails to an address again',
    scope: 'users:write',
    params: z.object({ address: emailSchema }),
    answers: nothing('the mark is gone'),
    async run(c, { params }) {
      await clearMark(c.var.cx, params.address)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'reportMail',
    at: 'POST /v1/outbox/reports',
    summary: 'Report that mails to an address come back, or that its owner complained',
    // An adapter stands open to the internet: it gets no power over users.
    scope: 'events:write',
    body: mailReportInput,
    answers: { 201: json(undeliverableSchema, 'the address as it is marked') },
    run: async (c, { body }) => c.json(await reportMail(c.var.cx, body), 201),
  })

  operation(api, {
    id: 'readMail',
    at: 'GET /v1/outbox/{id}',
    summary:
      'A mail; with its text for `manage`, where EMAIL_URL is `outbox:`; the reading is an event',
    scope: 'users:read',
    params: z.object({ id: z.string().regex(/^mail_[a-z0-9]{1,40}$/) }),
    answers: { 200: json(wholeMailSchema, 'the mail') },
    run: async (c, { params }) => c.json(await readMail(c.var.cx, params.id), 200),
  })

  operation(api, {
    id: 'previewMail',
    at: 'GET /v1/mail/preview',
    summary: 'A sample of a mail, in a language or for a person',
    scope: 'users:read',
    query: previewQuery,
    answers: { 200: json(mailPreviewSchema, 'the mail as it would be sent') },
    problems: ['not_found'],
    run: async (c, { query }) => c.json(await previewMail(c.var.cx, query), 200),
  })

  return api
}
