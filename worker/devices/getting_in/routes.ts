// The operations by which devices get in.
import { assertType, operation, streamLines } from '../../api/operation.ts'
import { type Api, createApi, z } from '../../api.ts'
import { importDevices } from './device_import.ts'

const TYPES = ['application/x-ndjson', 'text/csv'] as const

const importLine = z
  .object({
    line: z.int().optional(),
    id: z.string().nullable().optional(),
    result: z.enum(['created', 'updated', 'unchanged', 'failed']).optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
    job: z.string().optional(),
    dry_run: z.boolean().optional(),
    resume: z.string().optional(),
    summary: z
      .object({ created: z.int(), updated: z.int(), unchanged: z.int(), failed: z.int() })
      .optional(),
  })
  .openapi('ImportLine')

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
      return streamLines(c, lines)
    },
  })
  return api
}
