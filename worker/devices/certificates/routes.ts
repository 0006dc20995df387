// Certificates of devices: the authorities whose certificates prove them, and the certificates that
// this server makes for them.
// Routes: /v1/device-cas, /v1/device-issuer, /v1/devices/{id}/certificate, /v1/self/certificate.
// Tables: `device_ca` (certificate_store.ts).
// Files: presented_certificate.ts judges the certificate of a connection, certificate_input.ts one
// that is registered, authorities.ts those who sign, issuer.ts asks issuing.ts for new ones.
// Leaves reading and signatures to keys/certificate.ts, TLS to entry/, and other credentials to
// ../credentials.ts.
import { operation } from '../../api/operation.ts'
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
} from '../../api.ts'
import {
  authorityInput,
  authorityPatch,
  authoritySchema,
  changeAuthority,
  createAuthority,
  describeAuthority,
  getAuthority,
  listAuthorities,
  removeAuthority,
} from './authorities.ts'

import {
  getIssuer,
  issueCertificate,
  issuedSchema,
  issueOwnCertificate,
  issuerInput,
  issuerSchema,
  ownRequestInput,
  removeIssuer,
  requestInput,
  setIssuer,
} from './issuer.ts'

const anyText = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, 'must not contain NUL')
const idParam = z.object({ id: anyText })

export function certificateRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'createDeviceCa',
    at: 'POST /v1/device-cas',
    summary: 'Register an authority whose certificates prove devices; needs manage',
    scope: 'devices:write',
    body: authorityInput,
    answers: { 201: json(authoritySchema, 'the authority') },
    async run(c, { body }) {
      const row = await createAuthority(c.var.cx, body)
      tag(c, row.version)
      c.header('Location', `/v1/device-cas/${row.id}`)
      return c.json(describeAuthority(row), 201)
    },
  })
  operation(api, {
    id: 'listDeviceCas',
    at: 'GET /v1/device-cas',
    summary: 'The authorities whose certificates prove devices',
    scope: 'devices:read',
    query: listQuery,
    answers: { 200: json(listOf(authoritySchema), 'a page of authorities') },
    run: async (c, { query }) => c.json(await listAuthorities(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getDeviceCa',
    at: 'GET /v1/device-cas/{id}',
    summary: 'One authority',
    scope: 'devices:read',
    params: idParam,
    answers: { 200: json(authoritySchema, 'the authority') },
    async run(c, { params }) {
      const row = await getAuthority(c.var.cx, params.id)
      tag(c, row.version)
      return c.json(describeAuthority(row), 200)
    },
  })
  operation(api, {
    id: 'updateDeviceCa',
    at: 'PATCH /v1/device-cas/{id}',
    summary:
      'Rename, disable or enable an authority; disabled, it ends what devices got by it; needs manage',
    scope: 'devices:write',
    params: idParam,
    body: authorityPatch,
    answers: { 200: json(authoritySchema, 'the authority') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params, body }) {
      const row = await changeAuthority(c.var.cx, params.id, body, demandedVersion(c))
      tag(c, row.version)
      return c.json(describeAuthority(row), 200)
    },
  })
  operation(api, {
    id: 'deleteDeviceCa',
    at: 'DELETE /v1/device-cas/{id}',
    summary: 'Forget an authority; what devices got by it ends; needs manage',
    scope: 'devices:write',
    params: idParam,
    answers: nothing('done'),
    problems: ['precondition_failed'],
    async run(c, { params }) {
      await removeAuthority(c.var.cx, params.id, demandedVersion(c))
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'setDeviceIssuer',
    at: 'PUT /v1/device-issuer',
    summary: 'Set the authority with which this server makes certificates of devices; needs manage',
    scope: 'devices:write',
    body: issuerInput,
    answers: { 200: json(issuerSchema, 'the issuer, without its key') },
    run: async (c, { body }) => c.json(await setIssuer(c.var.cx, body), 200),
  })
  operation(api, {
    id: 'getDeviceIssuer',
    at: 'GET /v1/device-issuer',
    summary: 'The authority with which this server makes certificates of devices',
    scope: 'devices:read',
    answers: { 200: json(issuerSchema, 'the issuer') },
    problems: ['not_found'],
    run: async (c) => c.json(await getIssuer(c.var.cx), 200),
  })
  operation(api, {
    id: 'removeDeviceIssuer',
    at: 'DELETE /v1/device-issuer',
    summary: 'Forget that authority; certificates that were made go on; needs manage',
    scope: 'devices:write',
    answers: nothing('done'),
    async run(c) {
      await removeIssuer(c.var.cx)
      return c.body(null, 204)
    },
  })
  operation(api, {
    id: 'issueDeviceCertificate',
    at: 'POST /v1/devices/{id}/certificate',
    summary: 'Answer a certification request of a device; the certificate is a credential of it',
    scope: 'devices:write',
    params: idParam,
    body: requestInput,
    answers: { 201: json(issuedSchema, 'the certificate, with those above it') },
    async run(c, { params: { id }, body }) {
      const issued = await issueCertificate(c.var.cx, id, body)
      c.header('Location', `/v1/devices/${id}/credentials/${issued.credential.id}`)
      return c.json(issued, 201)
    },
  })
  operation(api, {
    id: 'issueOwnCertificate',
    at: 'POST /v1/self/certificate',
    summary: 'Get a certificate for a new key, which takes the place of the present key',
    scope: 'self',
    body: ownRequestInput,
    answers: { 201: json(issuedSchema, 'the certificate, with those above it') },
    problems: ['conflict', 'not_found'],
    run: async (c, { body }) =>
      c.json(await issueOwnCertificate(c.var.cx, c.var.cx.actor.id ?? '', body), 201),
  })
  return api
}
