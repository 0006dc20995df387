// A job as the API takes and shows it. Pure.
import { idSchema } from '../../access/principals.ts'
import { z } from '../../api.ts'
import { anyStatusSchema, deviceSchema, tagSchema } from '../device_schema.ts'
import { rotateBySchema } from '../self/rotation.ts'
import type { DeviceJobRow, JobLineRow } from './job_store.ts'

const tagList = z
  .array(tagSchema)
  .min(1)
  .max(32)
  .refine((tags) => new Set(tags).size === tags.length, 'must not name a tag twice')

const changeInput = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('suspend') }),
  z.strictObject({ action: z.literal('activate') }),
  z.strictObject({ action: z.literal('tag'), tags: tagList }),
  z.strictObject({ action: z.literal('untag'), tags: tagList }),
  z.strictObject({ action: z.literal('move'), from: idSchema, to: idSchema }),
  z.strictObject({ action: z.literal('rotate'), before: rotateBySchema }),
])

export type BulkChange = z.infer<typeof changeInput> | { action: 'undo' }

export const jobInput = z
  .strictObject({
    filter: z
      .record(z.string().max(200), z.union([z.string().max(200), z.int()]))
      .describe('parameters of the list of devices, by name; an empty one selects none'),
    change: changeInput,
    dry_run: z.boolean().default(false).describe('only say which devices would be changed'),
  })
  .openapi('NewJob')

export type JobInput = z.input<typeof jobInput>

export const jobSchema = z
  .object({
    id: z.string(),
    state: z.enum(['selecting', 'running', 'done', 'stopped', 'cancelled']),
    filter: z.record(z.string(), z.unknown()),
    change: z.object({
      action: z.enum(['suspend', 'activate', 'tag', 'untag', 'move', 'rotate', 'undo']),
      tags: z.array(z.string()).optional(),
      from: z.string().optional(),
      to: z.string().optional(),
      before: z.int().optional(),
    }),
    undo_of: z.string().nullable(),
    progress: z.object({
      total: z.int().describe('it grows while devices are selected'),
      done: z.int().describe('with those that failed'),
      failed: z.int(),
    }),
    reason: z.string().nullable().describe('why it stopped'),
    created_by: z.string().nullable(),
    created_at: z.int(),
    ended_at: z.int().nullable(),
  })
  .openapi('Job')

export const dryRunSchema = z
  .object({
    count: z.int(),
    is_complete: z.boolean().describe('false: there are more than were counted'),
    first: z.array(deviceSchema),
  })
  .openapi('JobDryRun')

const changedMembers = z.object({
  status: anyStatusSchema.optional(),
  tags: z.array(z.string()).optional(),
  groups: z.array(z.string()).optional(),
  keys: z
    .array(
      z.object({
        id: z.string(),
        expires_at: z.int().nullable(),
        rotate_by: z.int().nullable(),
        renews_until: z.int().nullable().describe('the end that the next key takes over'),
      }),
    )
    .optional()
    .describe('ends of the keys of which other ones were demanded'),
})

export type ChangedMembers = z.infer<typeof changedMembers>

export const resultOfJob = z.enum(['pending', 'changed', 'unchanged', 'failed'])

export const jobLineSchema = z
  .object({
    device: z.string(),
    result: resultOfJob,
    before: changedMembers.nullable(),
    after: changedMembers.nullable(),
    detail: z.string().nullable().describe('why it failed'),
  })
  .openapi('JobLine')

export const describeJob = (row: DeviceJobRow): z.infer<typeof jobSchema> => ({
  id: row.id,
  state: row.state,
  filter: JSON.parse(row.filter),
  change: JSON.parse(row.change),
  undo_of: row.undo_of,
  progress: { total: row.total, done: row.done, failed: row.failed },
  reason: row.reason,
  created_by: row.created_by,
  created_at: row.created_at,
  ended_at: row.ended_at,
})

export const describeJobLine = (row: JobLineRow): z.infer<typeof jobLineSchema> => ({
  device: row.device_id,
  result: row.result,
  before: row.before === null ? null : JSON.parse(row.before),
  after: row.after === null ? null : JSON.parse(row.after),
  detail: row.detail,
})
