// The operations of /v1 about codes by which people claim devices.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, nothing, z } from '../../api.ts'
import { noStore } from '../../http.ts'
import {
  claimCodeInput,
  claimCodeSchema,
  createClaimCode,
  getClaimCode,
  newClaimCodeSchema,
  withdrawClaimCode,
} from './claim_code.ts'

const AT = '/v1/devices/{id}/claim-code'

const idParam = z.object({
  id: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\0]*$/),
})

export function claimCodeRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'createClaimCode',
    at: `POST ${AT}`,
    summary:
      'Make the code by which a person claims the device; it is shown once, and the one of before is dead',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    body: claimCodeInput,
    isBodyOptional: true,
    answers: { 201: json(newClaimCodeSchema, 'the claim code') },
    async run(c, { params, body }) {
      const made = await createClaimCode(c.var.cx, params.id, body)
      noStore(c)
      c.header('Location', `/v1/devices/${params.id}/claim-code`)
      return c.json(made, 201)
    },
  })
  operation(api, {
    id: 'getClaimCode',
    at: `GET ${AT}`,
    summary: 'The last claim code of the device, without the code itself',
    scope: 'devices:read',
    isWithinReach: true,
    params: idParam,
    answers: { 200: json(claimCodeSchema, 'the claim code') },
    run: async (c, { params }) => c.json(await getClaimCode(c.var.cx, params.id), 200),
  })
  operation(api, {
    id: 'withdrawClaimCode',
    at: `DELETE ${AT}`,
    summary: 'Take the claim code of the device back',
    scope: 'devices:write',
    isWithinReach: true,
    params: idParam,
    answers: nothing('done'),
    async run(c, { params }) {
      await withdrawClaimCode(c.var.cx, params.id)
      return c.body(null, 204)
    },
  })
  return api
}
