// A device of the type `meter`, and how it asks for a token by the certificate of its connection.
import { createDeviceType } from '../../worker/devices/device_types.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { token } from '../oauth/token_fixtures.ts'
import { reasonOf } from '../support/log.ts'
import { deviceApi } from './device_api.ts'

const MTLS = { MTLS: 'cloudflare' }

export async function startWithDevice(type: object = {}) {
  const worker = await startWorker(MTLS)
  await worker.request('/.well-known/jwks.json')
  await createDeviceType(worker.context(), { name: 'meter', ...type })
  const api = deviceApi(worker)
  await api('POST', '/v1/devices', { id: 'dev-1', type: 'meter' })
  return { worker, api }
}

export const ask = (
  worker: TestWorker,
  headers: Record<string, string>,
  form: Record<string, string> = {},
) => token(worker, { grant_type: 'client_credentials', client_id: 'dev-1', ...form }, headers)

/** The status and the reason of a refusal. */
export async function refusalOf(worker: TestWorker, headers: Record<string, string>) {
  const { status, body } = await ask(worker, headers)
  // The log still has the reason of the refusal before, where there is none.
  return [status, body.error, status === 401 ? reasonOf(worker) : null]
}
