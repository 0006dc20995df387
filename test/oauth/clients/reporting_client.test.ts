// The client by which mProxy reports: made once, and by nothing made again.
import { expect, test } from 'vitest'
import { readEnvironment } from '../../../worker/environment.ts'
import { ensureReportingClient } from '../../../worker/oauth/clients/reporting_client.ts'
import { startWorker } from '../../context.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import { basic, token } from '../token_fixtures.ts'

const SECRET = 'k3Jp9xQzV7tRb2LmN8sWc4YhUf6GdA1e'
const OTHER = 'Zq8vT2nXb6LpR9wKc3MjY7sHf5GdU1aE'

test('is made once, gets tokens for reports alone, and stays deleted', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  expect(await ensureReportingClient(cx, SECRET)).toBe(true)
  expect(await ensureReportingClient(cx, OTHER)).toBe(false)
  const ask = (secret: string, scope?: string) =>
    token(
      worker,
      { grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) },
      basic('mproxy', secret),
    )
  expect((await ask(SECRET)).body.scope).toBe('mproxy:report')
  expect((await ask(OTHER)).status).toBe(401)
  expect((await ask(SECRET, 'devices:read')).status).toBe(400)
  const manage = await newClientToken(worker)
  expect((await callApi(worker, manage, 'DELETE', '/v1/clients/mproxy')).status).toBe(204)
  expect(await ensureReportingClient(cx, SECRET)).toBe(false)
  expect((await ask(SECRET)).status).toBe(401)
})

test('a secret that is short is refused at the start, and not repeated', () => {
  const { faults: found } = readEnvironment({ REPORTS_CLIENT_SECRET: 'too-short-a-secret' })
  const faults = JSON.stringify(found)
  expect(faults).toContain('REPORTS_CLIENT_SECRET')
  expect(faults).not.toContain('too-short-a-secret')
})
