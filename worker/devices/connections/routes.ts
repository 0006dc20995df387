// Sessions at mProxy as it reports them: who is connected, and why something was refused.
// Routes: /v1/reports, /v1/connections, /v1/devices/{id}/refusals.
// Tables: `mproxy_lease`, `presence`, `mqtt_refusal` (connection_store.ts).
// Leaves to access/ which rule decides, and to mProxy what was refused.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, z } from '../../api.ts'
import {
  connectionSchema,
  connectionsQuery,
  listConnections,
  listRefusalsOf,
  mqttRefusalSchema,
} from './connections.ts'
import {
  listMproxies,
  mproxySchema,
  mqttReportAnswer,
  mqttReportInput,
  takeReport,
} from './reports.ts'

const idParam = z.object({ id: z.string().min(1).max(200) })

export function connectionRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'reportMqtt',
    at: 'POST /v1/reports',
    summary: 'mProxy reports its sessions and what it refused; the report renews its lease',
    scope: 'mproxy:report',
    body: mqttReportInput,
    answers: { 200: json(mqttReportAnswer, 'when to report again') },
    run: async (c, { body }) => c.json(await takeReport(c.var.cx, body), 200),
  })
  operation(api, {
    id: 'listMproxies',
    at: 'GET /v1/reports',
    summary: 'List the mProxies that report now',
    scope: 'devices:read',
    query: listQuery,
    answers: { 200: json(listOf(mproxySchema), 'the mProxies') },
    run: async (c, { query }) => c.json(await listMproxies(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'listConnections',
    at: 'GET /v1/connections',
    summary: 'List the sessions that are open at mProxy',
    scope: 'devices:read',
    isWithinReach: true,
    query: connectionsQuery,
    answers: { 200: json(listOf(connectionSchema), 'the sessions') },
    run: async (c, { query }) => c.json(await listConnections(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'listDeviceRefusals',
    at: 'GET /v1/devices/{id}/refusals',
    summary: 'List what mProxy refused to a device lately, and the rules about it',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    query: listQuery,
    answers: { 200: json(listOf(mqttRefusalSchema), 'the refusals') },
    problems: ['not_found'],
    run: async (c, { params, query }) =>
      c.json(await listRefusalsOf(c.var.cx, params.id, query), 200),
  })
  return api
}
