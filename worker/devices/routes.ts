// Devices: things, their types and credentials.
// Routes: /v1/devices, their credentials, and /v1/device-types.
// Tables: `device_type`, `device`, `device_credential` (store.ts), `device_token`
// (minted_token_store.ts).
// Files: device_schema.ts has the forms of the API, devices.ts the use cases, jwk.ts the public
// keys, refusals.ts the Problem for each batch that is undone.
// Leaves memberships to access/, and assertions and tokens to oauth/ and admin/.
import { operation } from '../api/operation.ts'
import {
  type Api,
  createApi,
  demandedVersion,
  json,
  listOf,
  listQuery,
  nothing,
  tag,
  z,
} from '../api.ts'
import { noStore } from '../http.ts'
import { bulkRoutes } from './bulk/routes.ts'
import { certificateRoutes } from './certificates/routes.ts'
import { claimCodeRoutes } from './claiming/routes.ts'
import {
  createCredential,
  credentialInput,
  credentialSchema,
  describeCredential,
  listCredentials,
  revokeCredential,
} from './credentials.ts'
import {
  changedDeviceSchema,
  createdDeviceSchema,
  describeChangedDevice,
  describeCreatedDevice,
  describeDevice,
  deviceInput,
  devicePatch,
  deviceSchema,
} from './device_schema.ts'
import {
  changeDeviceType,
  createDeviceType,
  describeDeviceType,
  deviceTypeInput,
  deviceTypePatch,
  deviceTypeSchema,
  getDeviceType,
  listDeviceTypes,
  removeDeviceType,
} from './device_types.ts'
import { changeDevice, createDevice, getDevice } from './devices.ts'
import { gettingInRoutes } from './getting_in/routes.ts'
import { devicesQuery, listDevices, METADATA_PARAMETER } from './listing/device_list.ts'
import { removeDevice } from './removal.ts'

// Any text: a text that is no id matches no row. Only text that the database cannot take is
// refused.
const anyText = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, 'must not contain NUL')
const idParam = z.object({ id: anyText })
const nameParam = z.object({ name: anyText })
const credentialParams = z.object({ id: anyText, credential_id: anyText })

export function deviceRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'createDevice',
    at: 'POST /v1/devices',
    summary: 'Register a device; secrets that are generated for it are in this answer only',
    scope: 'devices:write',
    body: deviceInput,
    answers: { 201: json(createdDeviceSchema, 'the device') },
    async run(c, { body }) {
      const { device, made } = await createDevice(c.var.cx, body)
      noStore(c)
      tag(c, device.version)
      c.header('Location', `/v1/devices/${device.id}`)
      return c.json(describeCreatedDevice(c.var.cx, device, made), 201)
    },
  })
  operation(api, {
    id: 'listDevices',
    at: 'GET /v1/devices',
    summary:
      'Devices by id, by any filters together (`metadata.NAME=value` too); a page may be short while its cursor goes on',
    scope: 'devices:read',
    isWithinReach: true,
    query: devicesQuery,
    queryPrefix: METADATA_PARAMETER,
    answers: { 200: json(listOf(deviceSchema), 'a page of devices') },
    run: async (c, { query }) => c.json(await listDevices(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getDevice',
    at: 'GET /v1/devices/{id}',
    summary: 'One device',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    answers: { 200: json(deviceSchema, 'the device') },
    async run(c, { params }) {
      const device = await getDevice(c.var.cx, params.id)
      tag(c, device.version)
      return c.json(describeDevice(device), 200)
    },
  })
  operation(api, {
    id: 'updateDevice',
    at: 'PATCH /v1/devices/{id}',
    summary:
      'Change, suspend, activate or retire a device (merge patch; `groups` is replaced whole)',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    body: devicePatch,
    answers: { 200: json(changedDeviceSchema, 'the device') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params: { id }, body }) {
      const device = await changeDevice(c.var.cx, id, body, demandedVersion(c))
      tag(c, device.version)
      return c.json(describeChangedDevice(device), 200)
    },
  })
  operation(api, {
    id: 'deleteDevice',
    at: 'DELETE /v1/devices/{id}',
    summary: 'Forget a device and its credentials; the id is not given again',
    scope: 'devices:write',
    params: idParam,
    answers: nothing('done'),
    problems: ['precondition_failed'],
    async run(c, { params }) {
      await removeDevice(c.var.cx, params.id, demandedVersion(c))
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'createDeviceCredential',
    at: 'POST /v1/devices/{id}/credentials',
    summary: 'Add a credential; a secret that is generated is in this answer only',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    body: credentialInput,
    answers: { 201: json(credentialSchema, 'the credential') },
    async run(c, { params: { id }, body }) {
      const { row, secret } = await createCredential(c.var.cx, id, body)
      noStore(c)
      c.header('Location', `/v1/devices/${id}/credentials/${row.id}`)
      return c.json(describeCredential(c.var.cx, row, secret), 201)
    },
  })
  operation(api, {
    id: 'listDeviceCredentials',
    at: 'GET /v1/devices/{id}/credentials',
    summary: 'The credentials of a device, revoked ones included; public parts only',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    query: listQuery,
    answers: { 200: json(listOf(credentialSchema), 'a page of credentials') },
    async run(c, { params: { id }, query }) {
      return c.json(await listCredentials(c.var.cx, id, query), 200)
    },
  })
  operation(api, {
    id: 'revokeDeviceCredential',
    at: 'DELETE /v1/devices/{id}/credentials/{credential_id}',
    summary: 'Revoke a credential; it stays listed with the time at which that was done',
    scope: 'devices:write',
    isWithinReach: true,
    params: credentialParams,
    answers: nothing('done'),
    async run(c, { params: { id, credential_id } }) {
      await revokeCredential(c.var.cx, id, credential_id)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'createDeviceType',
    at: 'POST /v1/device-types',
    summary: 'Add a device type',
    scope: 'devices:write',
    body: deviceTypeInput,
    answers: { 201: json(deviceTypeSchema, 'the device type') },
    async run(c, { body }) {
      const type = await createDeviceType(c.var.cx, body)
      tag(c, type.version)
      c.header('Location', `/v1/device-types/${type.name}`)
      return c.json(describeDeviceType(type), 201)
    },
  })
  operation(api, {
    id: 'listDeviceTypes',
    at: 'GET /v1/device-types',
    summary: 'Device types by name',
    scope: 'devices:read',
    isWithinReach: true,
    query: listQuery,
    answers: { 200: json(listOf(deviceTypeSchema), 'a page of device types') },
    run: async (c, { query }) => c.json(await listDeviceTypes(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getDeviceType',
    at: 'GET /v1/device-types/{name}',
    summary: 'One device type',
    scope: 'devices:read',
    isWithinReach: true,
    params: nameParam,
    answers: { 200: json(deviceTypeSchema, 'the device type') },
    async run(c, { params }) {
      const type = await getDeviceType(c.var.cx, params.name)
      tag(c, type.version)
      return c.json(describeDeviceType(type), 200)
    },
  })
  operation(api, {
    id: 'updateDeviceType',
    at: 'PATCH /v1/device-types/{name}',
    summary: 'Change a device type (merge patch); tokens made from now on follow it',
    scope: 'devices:write',
    params: nameParam,
    body: deviceTypePatch,
    answers: { 200: json(deviceTypeSchema, 'the device type') },
    problems: ['precondition_failed'],
    async run(c, { params: { name }, body }) {
      const type = await changeDeviceType(c.var.cx, name, body, demandedVersion(c))
      tag(c, type.version)
      return c.json(describeDeviceType(type), 200)
    },
  })
  operation(api, {
    id: 'deleteDeviceType',
    at: 'DELETE /v1/device-types/{name}',
    summary: 'Delete a device type that no device is of',
    scope: 'devices:write',
    params: nameParam,
    answers: nothing('done'),
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      await removeDeviceType(c.var.cx, params.name, demandedVersion(c))
      return c.body(null, 204)
    },
  })

  api.route('/', gettingInRoutes())
  api.route('/', claimCodeRoutes())
  api.route('/', bulkRoutes())
  api.route('/', certificateRoutes())
  return api
}
