// The operations over many devices at once: /v1/jobs.
// Tables: `device_job`, `device_job_line` (job_store.ts).
// Files: job_schema.ts has the forms of the API, device_jobs.ts the use cases, job_work.ts the work
// on the timer, job_actor.ts the power in which it is done.
// Leaves the change of each device to devices.ts, and which are selected to listing/.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, z } from '../../api.ts'
import {
  cancelJob,
  getJob,
  listJobs,
  listResults,
  startJob,
  tryJob,
  undoJob,
} from './device_jobs.ts'
import { dryRunSchema, jobInput, jobLineSchema, jobSchema, resultOfJob } from './job_schema.ts'

const anyText = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, 'must not contain NUL')
const idParam = z.object({ id: anyText })

export function bulkRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'createJob',
    at: 'POST /v1/jobs',
    summary: 'Change all devices of a filter, behind the answer; a dry run says which they are',
    scope: 'devices:write',
    isWithinReach: true,
    body: jobInput,
    answers: {
      200: json(dryRunSchema, 'a dry run: how many devices, and the first 20'),
      202: json(jobSchema, 'the job'),
    },
    async run(c, { body }) {
      const { dry_run, ...wanted } = body
      if (dry_run) return c.json(await tryJob(c.var.cx, wanted), 200)
      const job = await startJob(c.var.cx, wanted)
      c.header('Location', `/v1/jobs/${job.id}`)
      return c.json(job, 202)
    },
  })
  operation(api, {
    id: 'listJobs',
    at: 'GET /v1/jobs',
    summary: 'Jobs by id; within a reach, those that the actor began',
    scope: 'devices:read',
    isWithinReach: true,
    query: listQuery,
    answers: { 200: json(listOf(jobSchema), 'a page of jobs') },
    run: async (c, { query }) => c.json(await listJobs(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getJob',
    at: 'GET /v1/jobs/{id}',
    summary: 'One job and its progress',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    answers: { 200: json(jobSchema, 'the job') },
    run: async (c, { params }) => c.json(await getJob(c.var.cx, params.id), 200),
  })
  operation(api, {
    id: 'listJobResults',
    at: 'GET /v1/jobs/{id}/results',
    summary: 'The devices of a job, and what was made of each out of what',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    query: listQuery.extend({
      result: resultOfJob.optional(),
      device: anyText.optional().describe('the line of one device'),
    }),
    answers: { 200: json(listOf(jobLineSchema), 'a page of lines') },
    run: async (c, { params, query }) => c.json(await listResults(c.var.cx, params.id, query), 200),
  })
  operation(api, {
    id: 'cancelJob',
    at: 'POST /v1/jobs/{id}/cancel',
    summary: 'End a job where it is; devices that it has changed stay so',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    answers: { 200: json(jobSchema, 'the job') },
    problems: ['conflict'],
    run: async (c, { params }) => c.json(await cancelJob(c.var.cx, params.id), 200),
  })
  operation(api, {
    id: 'undoJob',
    at: 'POST /v1/jobs/{id}/undo',
    summary: 'Begin a job that takes another one back, where a device was not changed since',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    answers: { 202: json(jobSchema, 'the new job') },
    problems: ['conflict'],
    async run(c, { params }) {
      const job = await undoJob(c.var.cx, params.id)
      c.header('Location', `/v1/jobs/${job.id}`)
      return c.json(job, 202)
    },
  })
  return api
}
