// A device about itself, with a token of the scope `self`: its record, its rules, its keys, its
// report; and what operators demand and read of it.
// Routes: /v1/self, /v1/devices/{id}/rotate and /report, /v1/device-types/{name}/rotate.
// Tables: `device_report` (report.ts), `device_type_rotation` (rotation_store.ts).
// Leaves credentials as such to ../credentials.ts, and the token of a device to oauth/.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, z } from '../../api.ts'
import { describeCredential } from '../credentials.ts'
import { getReport, keepReport, reportInput, reportSchema } from './report.ts'
import {
  demandInput,
  demandRotation,
  demandRotationOfType,
  rotateCredential,
  rotatedSchema,
  rotationInput,
} from './rotation.ts'
import { getSelf, selfSchema } from './self.ts'

const anyText = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, 'must not contain NUL')
const idParam = z.object({ id: anyText })
const nameParam = z.object({ name: anyText })

const demandedSchema = z.object({ rotate_by: z.int(), keys: z.int() }).openapi('DemandedRotation')

const typeDemandSchema = z
  .object({ type: z.string(), demanded_at: z.int(), rotate_by: z.int() })
  .openapi('DemandedRotationOfType')

export function selfRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'getSelf',
    at: 'GET /v1/self',
    summary: 'The device that asks: its record, its rules, its credentials',
    scope: 'self',
    answers: { 200: json(selfSchema, 'the device') },
    run: async (c) => c.json(await getSelf(c.var.cx, c.var.cx.actor.id ?? ''), 200),
  })
  operation(api, {
    id: 'rotateSelf',
    at: 'POST /v1/self/rotate',
    summary: 'Take another key in the place of the present one, which signs for it',
    scope: 'self',
    body: rotationInput,
    answers: { 200: json(rotatedSchema, 'the new credential, and when the one before ends') },
    problems: ['conflict'],
    async run(c, { body }) {
      const { cx } = c.var
      const { created, replaced } = await rotateCredential(cx, cx.actor.id ?? '', body)
      return c.json(
        {
          credential: describeCredential(c.var.cx, created),
          replaces: replaced.id,
          replaced_until: replaced.expires_at ?? 0,
        },
        200,
      )
    },
  })
  operation(api, {
    id: 'reportSelf',
    at: 'POST /v1/self/report',
    summary: 'Report firmware and model',
    scope: 'self',
    body: reportInput,
    answers: { 200: json(reportSchema, 'the report as it is kept') },
    problems: ['not_found'],
    run: async (c, { body }) =>
      c.json(await keepReport(c.var.cx, c.var.cx.actor.id ?? '', body), 200),
  })
  operation(api, {
    id: 'getDeviceReport',
    at: 'GET /v1/devices/{id}/report',
    summary: 'The last report of a device about itself',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    answers: { 200: json(reportSchema, 'the report') },
    run: async (c, { params }) => c.json(await getReport(c.var.cx, params.id), 200),
  })
  operation(api, {
    id: 'rotateDevice',
    at: 'POST /v1/devices/{id}/rotate',
    summary: 'Demand other keys of a device; those that it has end at the time',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    body: demandInput,
    answers: { 200: json(demandedSchema, 'how many keys the device has to replace') },
    async run(c, { params, body }) {
      const rows = await demandRotation(c.var.cx, params.id, body)
      const keys = rows.filter(({ rotate_by }) => rotate_by === body.rotate_by).length
      return c.json({ rotate_by: body.rotate_by, keys }, 200)
    },
  })
  operation(api, {
    id: 'rotateDeviceType',
    at: 'POST /v1/device-types/{name}/rotate',
    summary: 'Demand other keys of all devices of a type; those of before end at the time',
    scope: 'devices:write',
    params: nameParam,
    body: demandInput,
    answers: { 200: json(typeDemandSchema, 'the demand') },
    run: async (c, { params, body }) =>
      c.json(await demandRotationOfType(c.var.cx, params.name, body), 200),
  })
  return api
}
