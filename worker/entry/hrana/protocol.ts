// The messages of Hrana over HTTP, versions 2 and 3 in JSON, as a peer may send them. A message of
// another shape is refused before any of it is carried out.
// https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md

import { z } from 'zod'

const int64 = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .transform(BigInt)
  .refine((value) => BigInt.asIntN(64, value) === value, 'is beyond 64 bits')

/**
 * A value in the form in which the embedded library binds it: bigint is INTEGER, number is REAL.
 */
export const value = z.discriminatedUnion('type', [
  z.object({ type: z.literal('null') }).transform(() => null),
  z.object({ type: z.literal('integer'), value: int64 }).transform((message) => message.value),
  z.object({ type: z.literal('float'), value: z.number() }).transform((message) => message.value),
  z.object({ type: z.literal('text'), value: z.string() }).transform((message) => message.value),
  z
    .object({ type: z.literal('blob'), base64: z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/) })
    .transform((message) => Buffer.from(message.base64, 'base64')),
])
export type BoundValue = z.infer<typeof value>

const sqlOrId = { sql: z.string().nullish(), sql_id: z.int().nullish() }

const stmt = z.object({
  ...sqlOrId,
  args: z.array(value).default([]),
  named_args: z.array(z.object({ name: z.string(), value })).default([]),
  want_rows: z.boolean().nullish(),
})
export type Stmt = z.infer<typeof stmt>

export type BatchCond =
  | { type: 'ok' | 'error'; step: number }
  | { type: 'not'; cond: BatchCond }
  | { type: 'and' | 'or'; conds: BatchCond[] }
  | { type: 'is_autocommit' }

const batchCond: z.ZodType<BatchCond> = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.object({ type: z.enum(['ok', 'error']), step: z.int().nonnegative() }),
    z.object({ type: z.literal('not'), cond: batchCond }),
    z.object({ type: z.enum(['and', 'or']), conds: z.array(batchCond) }),
    z.object({ type: z.literal('is_autocommit') }),
  ]),
)

const batch = z.object({
  steps: z.array(z.object({ condition: batchCond.nullish(), stmt })),
})
export type HranaBatch = z.infer<typeof batch>

const streamRequest = z.discriminatedUnion('type', [
  z.object({ type: z.literal('close') }),
  z.object({ type: z.literal('execute'), stmt }),
  z.object({ type: z.literal('batch'), batch }),
  z.object({ type: z.literal('sequence'), ...sqlOrId }),
  z.object({ type: z.literal('describe'), ...sqlOrId }),
  z.object({ type: z.literal('store_sql'), sql_id: z.int(), sql: z.string() }),
  z.object({ type: z.literal('close_sql'), sql_id: z.int() }),
  z.object({ type: z.literal('get_autocommit') }),
])
export type StreamRequest = z.infer<typeof streamRequest>

export const pipeline = z.object({
  baton: z.string().nullish(),
  requests: z.array(streamRequest),
})

export const cursorRequest = z.object({ baton: z.string().nullish(), batch })

/** Thrown for an `error` of the protocol: the message, and a code for programs. */
export class HranaError extends Error {
  override readonly name = 'HranaError'
  readonly code: string

  constructor(message: string, code: string) {
    super(message)
    this.code = code
  }
}

/** A value of a row, in the form of the embedded library with 64-bit integers on. */
export function encodeValue(stored: unknown): unknown {
  if (stored === null || stored === undefined) return { type: 'null' }
  if (typeof stored === 'bigint') return { type: 'integer', value: stored.toString() }
  if (typeof stored === 'string') return { type: 'text', value: stored }
  if (typeof stored === 'number') {
    // JSON has no infinity, which SQLite makes from 9e999; null is the answer of sqld too.
    return Number.isFinite(stored) ? { type: 'float', value: stored } : { type: 'null' }
  }
  const bytes = stored instanceof ArrayBuffer ? Buffer.from(stored) : Buffer.from(stored as Buffer)
  return { type: 'blob', base64: bytes.toString('base64') }
}
