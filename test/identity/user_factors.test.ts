// Second factors of people, as operators see and remove them.
import { expect, test } from 'vitest'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { addAuthenticator } from './authenticator.ts'
import { signInByIt, startWithPasskey } from './passkeys/passkey_people.ts'
import { eventsOf, startWithAnn } from './people.ts'

async function startWithFactor(scope: string) {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const { key } = await addAuthenticator(worker, browser)
  const token = await newClientToken(worker, scope, 'ops')
  const call = (method: string, path: string) => callApi(worker, token, method, path)
  return { worker, key, call }
}

test('an operator lists the factors of a person, without their keys, and removes one', async () => {
  const { worker, key, call } = await startWithFactor('manage')
  const listed = await call('GET', '/v1/users/ann/factors')
  expect(listed.body).toEqual({
    items: [
      {
        id: expect.stringMatching(/^fac_/),
        kind: 'totp',
        name: 'Phone',
        created_at: worker.clock.now,
        last_used_at: null,
        synced: null,
      },
    ],
    recovery_codes: 10,
    next_cursor: null,
  })
  expect(JSON.stringify(listed.body)).not.toContain(key)
  const items = listed.body['items'] as { id: string }[]
  const path = `/v1/users/ann/factors/${items[0]?.id}`
  expect((await call('DELETE', path)).status).toBe(204)
  expect((await call('DELETE', path)).status).toBe(404)
  expect((await call('GET', '/v1/users/ann/factors')).body).toMatchObject({
    items: [],
    recovery_codes: 0,
  })
  const removed = (await eventsOf(worker)).filter(({ type }) => type === 'factor.removed')
  expect(removed).toMatchObject([{ subject_id: 'ann', actor_id: 'ops' }])
})

test('a factor of another person is none of this one', async () => {
  const { call } = await startWithFactor('manage')
  const listed = await call('GET', '/v1/users/ann/factors')
  const [one] = listed.body['items'] as { id: string }[]
  expect((await call('DELETE', `/v1/users/eve/factors/${one?.id}`)).status).toBe(404)
  expect((await call('GET', '/v1/users/ann/factors')).body['items']).toHaveLength(1)
  expect((await call('GET', '/v1/users/nobody/factors')).status).toBe(404)
})

test('an operator lists the passkeys of a person, without their keys, and removes one', async () => {
  const { worker, authenticator, browser } = await startWithPasskey({ isSynced: true })
  const token = await newClientToken(worker, 'manage', 'ops')
  const call = (method: string, path: string) => callApi(worker, token, method, path)
  const listed = await call('GET', '/v1/users/ann/factors')
  const { clock } = worker
  expect(listed.body['items']).toEqual([
    {
      id: expect.stringMatching(/^fac_/),
      kind: 'passkey',
      name: 'Passkey',
      created_at: clock.now,
      last_used_at: null,
      synced: true,
    },
  ])
  const [one] = listed.body['items'] as { id: string }[]
  expect((await call('DELETE', `/v1/users/ann/factors/${one?.id}`)).status).toBe(204)
  expect((await signInByIt(browser, authenticator)).status).toBe(403)
  const removed = (await eventsOf(worker)).filter(({ type }) => type === 'factor.removed')
  expect(removed).toMatchObject([{ subject_id: 'ann', actor_id: 'ops' }])
  expect(JSON.parse(removed[0]?.data ?? '')).toEqual({ factor: one?.id, kind: 'passkey' })
})
