// The operations by which devices get in, and are given up again.
import { assertType, operation, streamLines } from '../../api/operation.ts'
import { type Api, createApi, demandedVersion, json, listOf, listQuery, tag, z } from '../../api.ts'
import { noStore } from '../../http.ts'
import { describeDevice, deviceSchema } from '../device_schema.ts'
import {
  claimTokenInput,
  claimTokenSchema,
  createClaimToken,
  getClaimToken,
  listClaimTokens,
  newClaimTokenSchema,
  revokeClaimToken,
} from './claim_tokens.ts'
import { importDevices } from './device_import.ts'
import { release } from './release.ts'

const TYPES = ['application/x-ndjson', 'text/csv'] as const

const importLine = z
  .object({
    line: z.int().optional(),
    id: z.string().nullable().optional(),
    result: z.enum(['created', 'updated', 'unchanged', 'failed']).optional(),
    claim_code: z.string().optional().describe('of a new device whose row asks for one'),
    claim_uri: z.string().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
    job: z.string().optional(),
    dry_run: z.boolean().optional(),
    resume: z.string().optional(),
    summary: z
      .object({ created: z.int(), updated: z.int(), unchanged: z.int(), failed: z.int() })
      .optional(),
  })
  .openapi('ImportLine')

const idParam = z.object({
  id: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\0]*$/),
})

export function gettingInRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'importDevices',
    at: 'POST /v1/devices/import',
    summary:
      'Register or change devices, one for each line of JSON or row of CSV, known by id or hardware id; answers lines while it goes on',
    scope: 'devices:write',
    takes: TYPES,
    query: z.object({
      dry_run: z.enum(['true', 'false']).optional().describe('only say what would be done'),
      resume: z.string().max(500).optional().describe('a token of an answer that broke off'),
    }),
    answers: {
      200: {
        description: 'the job, a line for each row, tokens to resume with, and a summary',
        content: { 'application/x-ndjson': { schema: importLine } },
      },
    },
    problems: ['unsupported_media_type'],
    async run(c, { query }) {
      const format = assertType(c, TYPES)
      const lines = await importDevices(c.var.cx, c.req.raw.body ?? new Blob([]).stream(), {
        format,
        dry_run: query.dry_run === 'true',
        resume: query.resume,
      })
      // Codes of new devices are in the lines.
      noStore(c)
      return streamLines(c, lines)
    },
  })
  operation(api, {
    id: 'releaseDevice',
    at: 'POST /v1/devices/{id}/release',
    summary:
      'Give a device up: credentials, groups, grants, tokens, tags and metadata are gone, and it may be claimed anew',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    answers: { 200: json(deviceSchema, 'the device') },
    problems: ['precondition_failed'],
    async run(c, { params }) {
      const device = await release(c.var.cx, params.id, demandedVersion(c))
      tag(c, device.version)
      return c.json(describeDevice(device), 200)
    },
  })
  operation(api, {
    id: 'createClaimToken',
    at: 'POST /v1/claim-tokens',
    summary: 'Make a token by which devices of one type come in by themselves; it is shown once',
    scope: 'devices:write',
    body: claimTokenInput,
    answers: { 201: json(newClaimTokenSchema, 'the claim token') },
    async run(c, { body }) {
      const made = await createClaimToken(c.var.cx, body)
      noStore(c)
      c.header('Location', `/v1/claim-tokens/${made.id}`)
      return c.json(made, 201)
    },
  })
  operation(api, {
    id: 'listClaimTokens',
    at: 'GET /v1/claim-tokens',
    summary: 'Claim tokens, oldest first, without their secrets',
    scope: 'devices:read',
    query: listQuery,
    answers: { 200: json(listOf(claimTokenSchema), 'a page of claim tokens') },
    run: async (c, { query }) => c.json(await listClaimTokens(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getClaimToken',
    at: 'GET /v1/claim-tokens/{id}',
    summary: 'One claim token, with the number of devices that came in by it',
    scope: 'devices:read',
    params: idParam,
    answers: { 200: json(claimTokenSchema, 'the claim token') },
    run: async (c, { params }) => c.json(await getClaimToken(c.var.cx, params.id), 200),
  })
  operation(api, {
    id: 'revokeClaimToken',
    at: 'POST /v1/claim-tokens/{id}/revoke',
    summary: 'End a claim token, and suspend all devices that came in by it unless they are kept',
    scope: 'devices:write',
    params: idParam,
    body: z
      .strictObject({ devices: z.enum(['suspend', 'keep']).default('suspend') })
      .openapi('ClaimTokenRevocation'),
    isBodyOptional: true,
    answers: {
      200: json(
        claimTokenSchema.extend({ devices_suspended: z.int() }).openapi('RevokedClaimToken'),
        'the claim token, and how many devices were suspended',
      ),
    },
    run: async (c, { params, body }) =>
      c.json(await revokeClaimToken(c.var.cx, params.id, body.devices), 200),
  })
  return api
}
