// Devices, their credentials and their types in the management API.
import {
  type Api,
  createApi,
  createRoute,
  demandedVersion,
  json,
  jsonBody,
  listOf,
  listQuery,
  problems,
  scoped,
  tag,
  z,
} from '../api.ts'
import { noStore } from '../http.ts'
import {
  createCredential,
  credentialInput,
  credentialSchema,
  describeCredential,
  listCredentials,
  revokeCredential,
} from './credentials.ts'
import {
  createDeviceType,
  deleteDeviceType,
  describeDeviceType,
  deviceTypeInput,
  deviceTypePatch,
  deviceTypeSchema,
  getDeviceType,
  listDeviceTypes,
  updateDeviceType,
} from './device_types.ts'
import {
  createDevice,
  createdDeviceSchema,
  deleteDevice,
  describeCreatedDevice,
  describeDevice,
  deviceInput,
  devicePatch,
  deviceSchema,
  getDevice,
  listDevices,
  updateDevice,
} from './devices.ts'

// Any text: what is no id is nobody's, so it is not found. Only what the database cannot be asked is refused.
const anyText = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, 'must not contain NUL')
const idParam = z.object({ id: anyText })
const nameParam = z.object({ name: anyText })
const credentialParams = z.object({ id: anyText, credential_id: anyText })
const read = scoped('devices:read')
const write = scoped('devices:write')
const always = ['invalid_request', 'unauthorized', 'forbidden'] as const
const none = { description: 'done' }

const createDeviceRoute = createRoute({
  method: 'post',
  path: '/v1/devices',
  operationId: 'createDevice',
  tags: ['devices'],
  summary: 'Register a device; secrets that are generated for it are in this answer only',
  ...write,
  request: { body: jsonBody(deviceInput) },
  responses: {
    201: json(createdDeviceSchema, 'the device'),
    ...problems(...always, 'conflict'),
  },
})

const listDevicesRoute = createRoute({
  method: 'get',
  path: '/v1/devices',
  operationId: 'listDevices',
  tags: ['devices'],
  summary: 'Devices by id; `group` means its members, not those of groups below',
  ...read,
  request: {
    query: listQuery.extend({
      type: anyText.optional(),
      group: anyText.optional(),
      status: deviceSchema.shape.status.optional(),
    }),
  },
  responses: {
    200: json(listOf(deviceSchema), 'a page of devices'),
    ...problems(...always),
  },
})

const getDeviceRoute = createRoute({
  method: 'get',
  path: '/v1/devices/{id}',
  operationId: 'getDevice',
  tags: ['devices'],
  summary: 'One device',
  ...read,
  request: { params: idParam },
  responses: { 200: json(deviceSchema, 'the device'), ...problems(...always, 'not_found') },
})

const updateDeviceRoute = createRoute({
  method: 'patch',
  path: '/v1/devices/{id}',
  operationId: 'updateDevice',
  tags: ['devices'],
  summary: 'Change, suspend, activate or retire a device (merge patch; `groups` is replaced whole)',
  ...write,
  request: { params: idParam, body: jsonBody(devicePatch) },
  responses: {
    200: json(deviceSchema, 'the device'),
    ...problems(...always, 'not_found', 'conflict', 'precondition_failed'),
  },
})

const deleteDeviceRoute = createRoute({
  method: 'delete',
  path: '/v1/devices/{id}',
  operationId: 'deleteDevice',
  tags: ['devices'],
  summary: 'Forget a device and its credentials; the id is not given again',
  ...write,
  request: { params: idParam },
  responses: { 204: none, ...problems(...always, 'not_found', 'precondition_failed') },
})

const createCredentialRoute = createRoute({
  method: 'post',
  path: '/v1/devices/{id}/credentials',
  operationId: 'createDeviceCredential',
  tags: ['devices'],
  summary: 'Add a credential; a secret that is generated is in this answer only',
  ...write,
  request: { params: idParam, body: jsonBody(credentialInput) },
  responses: {
    201: json(credentialSchema, 'the credential'),
    ...problems(...always, 'not_found', 'conflict'),
  },
})

const listCredentialsRoute = createRoute({
  method: 'get',
  path: '/v1/devices/{id}/credentials',
  operationId: 'listDeviceCredentials',
  tags: ['devices'],
  summary: 'The credentials of a device, revoked ones included; public parts only',
  ...read,
  request: { params: idParam, query: listQuery },
  responses: {
    200: json(listOf(credentialSchema), 'a page of credentials'),
    ...problems(...always, 'not_found'),
  },
})

const revokeCredentialRoute = createRoute({
  method: 'delete',
  path: '/v1/devices/{id}/credentials/{credential_id}',
  operationId: 'revokeDeviceCredential',
  tags: ['devices'],
  summary: 'Revoke a credential; it stays listed with the time at which that was done',
  ...write,
  request: { params: credentialParams },
  responses: { 204: none, ...problems(...always, 'not_found') },
})

const createDeviceTypeRoute = createRoute({
  method: 'post',
  path: '/v1/device-types',
  operationId: 'createDeviceType',
  tags: ['devices'],
  summary: 'Add a device type',
  ...write,
  request: { body: jsonBody(deviceTypeInput) },
  responses: {
    201: json(deviceTypeSchema, 'the device type'),
    ...problems(...always, 'conflict'),
  },
})

const listDeviceTypesRoute = createRoute({
  method: 'get',
  path: '/v1/device-types',
  operationId: 'listDeviceTypes',
  tags: ['devices'],
  summary: 'Device types by name',
  ...read,
  request: { query: listQuery },
  responses: {
    200: json(listOf(deviceTypeSchema), 'a page of device types'),
    ...problems(...always),
  },
})

const getDeviceTypeRoute = createRoute({
  method: 'get',
  path: '/v1/device-types/{name}',
  operationId: 'getDeviceType',
  tags: ['devices'],
  summary: 'One device type',
  ...read,
  request: { params: nameParam },
  responses: {
    200: json(deviceTypeSchema, 'the device type'),
    ...problems(...always, 'not_found'),
  },
})

const updateDeviceTypeRoute = createRoute({
  method: 'patch',
  path: '/v1/device-types/{name}',
  operationId: 'updateDeviceType',
  tags: ['devices'],
  summary: 'Change a device type (merge patch); tokens made from now on follow it',
  ...write,
  request: { params: nameParam, body: jsonBody(deviceTypePatch) },
  responses: {
    200: json(deviceTypeSchema, 'the device type'),
    ...problems(...always, 'not_found', 'precondition_failed'),
  },
})

const deleteDeviceTypeRoute = createRoute({
  method: 'delete',
  path: '/v1/device-types/{name}',
  operationId: 'deleteDeviceType',
  tags: ['devices'],
  summary: 'Delete a device type that no device is of',
  ...write,
  request: { params: nameParam },
  responses: {
    204: none,
    ...problems(...always, 'not_found', 'conflict', 'precondition_failed'),
  },
})

export function deviceRoutes(): Api {
  const api = createApi()

  api.openapi(createDeviceRoute, async (c) => {
    const { device, made } = await createDevice(c.var.cx, c.req.valid('json'))
    noStore(c)
    tag(c, device.version)
    c.header('Location', `/v1/devices/${device.id}`)
    return c.json(describeCreatedDevice(device, made), 201)
  })
  api.openapi(listDevicesRoute, async (c) =>
    c.json(await listDevices(c.var.cx, c.req.valid('query')), 200),
  )
  api.openapi(getDeviceRoute, async (c) => {
    const device = await getDevice(c.var.cx, c.req.valid('param').id)
    tag(c, device.version)
    return c.json(describeDevice(device), 200)
  })
  api.openapi(updateDeviceRoute, async (c) => {
    const { id } = c.req.valid('param')
    const device = await updateDevice(c.var.cx, id, c.req.valid('json'), demandedVersion(c))
    tag(c, device.version)
    return c.json(describeDevice(device), 200)
  })
  api.openapi(deleteDeviceRoute, async (c) => {
    await deleteDevice(c.var.cx, c.req.valid('param').id, demandedVersion(c))
    return c.body(null, 204)
  })

  api.openapi(createCredentialRoute, async (c) => {
    const { id } = c.req.valid('param')
    const { row, secret } = await createCredential(c.var.cx, id, c.req.valid('json'))
    noStore(c)
    c.header('Location', `/v1/devices/${id}/credentials/${row.id}`)
    return c.json(describeCredential(row, secret), 201)
  })
  api.openapi(listCredentialsRoute, async (c) => {
    const { id } = c.req.valid('param')
    return c.json(await listCredentials(c.var.cx, id, c.req.valid('query')), 200)
  })
  api.openapi(revokeCredentialRoute, async (c) => {
    const { id, credential_id } = c.req.valid('param')
    await revokeCredential(c.var.cx, id, credential_id)
    return c.body(null, 204)
  })

  api.openapi(createDeviceTypeRoute, async (c) => {
    const type = await createDeviceType(c.var.cx, c.req.valid('json'))
    tag(c, type.version)
    c.header('Location', `/v1/device-types/${type.name}`)
    return c.json(describeDeviceType(type), 201)
  })
  api.openapi(listDeviceTypesRoute, async (c) =>
    c.json(await listDeviceTypes(c.var.cx, c.req.valid('query')), 200),
  )
  api.openapi(getDeviceTypeRoute, async (c) => {
    const type = await getDeviceType(c.var.cx, c.req.valid('param').name)
    tag(c, type.version)
    return c.json(describeDeviceType(type), 200)
  })
  api.openapi(updateDeviceTypeRoute, async (c) => {
    const { name } = c.req.valid('param')
    const type = await updateDeviceType(c.var.cx, name, c.req.valid('json'), demandedVersion(c))
    tag(c, type.version)
    return c.json(describeDeviceType(type), 200)
  })
  api.openapi(deleteDeviceTypeRoute, async (c) => {
    await deleteDeviceType(c.var.cx, c.req.valid('param').name, demandedVersion(c))
    return c.body(null, 204)
  })

  return api
}
