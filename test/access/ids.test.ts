// The one id space, seen from its edges.
import { expect, test } from 'vitest'
import { createUser } from '../../worker/identity/users.ts'
import { createClient } from '../../worker/oauth/clients/clients.ts'
import { startHouse } from './fixture.ts'

test('. and .. are no ids: in an address they would be no segment of their own', async () => {
  const { call } = await startHouse()
  for (const id of ['.', '..']) {
    expect((await call('POST /v1/groups', { id })).status).toBe(400)
    expect((await call('POST /v1/roles', { name: id })).status).toBe(400)
  }
  for (const id of ['...', '.a', 'a..']) {
    expect((await call('POST /v1/groups', { id })).status).toBe(201)
  }
})

test('nobody new gets an id that is the MQTT client id of a device, or begins one', async () => {
  const { call, device, worker } = await startHouse()
  await device('lamp', { mqtt_client_id: 'old-lamp:1' })
  await device('fan', { mqtt_client_id: 'fan-7' })
  const cx = () => worker.context()
  for (const id of ['old-lamp', 'fan-7']) {
    expect((await call('POST /v1/groups', { id })).status).toBe(409)
    await expect(createUser(cx(), { id, email: `${id}@example.com` })).rejects.toMatchObject({
      type: 'conflict',
    })
    const client = { client_id: id, grant_types: ['client_credentials' as const] }
    await expect(createClient(cx(), client)).rejects.toMatchObject({ type: 'conflict' })
  }
  for (const id of ['old-lam', 'old-lamp-1', 'fan', 'fan-']) {
    const taken = id === 'fan' ? 409 : 201
    expect((await call('POST /v1/groups', { id })).status, id).toBe(taken)
  }
})

test('where decisions are made is found from the issuer, without a token', async () => {
  const { worker } = await startHouse()
  const answer = await worker.request('/.well-known/authzen-configuration')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain('application/json')
  const metadata = (await answer.json()) as Record<string, string>
  expect(metadata['policy_decision_point']).toBe(worker.config.issuer)
  for (const name of ['access_evaluation_endpoint', 'access_evaluations_endpoint']) {
    const there = await worker.request(metadata[name] ?? '', { method: 'POST', body: '{}' })
    expect(there.status, name).toBe(401)
  }
})
