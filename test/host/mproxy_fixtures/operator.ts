// An operator of a running worker: the client of a blueprint that may do everything, and its calls.
import { expect } from 'vitest'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

export const OPERATOR = {
  client_id: 'ops',
  client_secret: SECRET,
  grant_types: ['client_credentials'],
  scope: 'manage',
}

export type Json = Record<string, unknown>

/** Calls `/v1` as `OPERATOR`. Fails the test where it is refused. */
export async function callAsOperator(
  issuer: string,
  method: string,
  path: string,
  body?: Json,
): Promise<Json> {
  const token = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  const { access_token } = (await token.json()) as Json
  const answer = await fetch(`${issuer}${path}`, {
    method,
    headers: { Authorization: `Bearer ${access_token}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  expect(answer.ok, text).toBe(true)
  return text === '' ? {} : (JSON.parse(text) as Json)
}

/** A token for a device, for a day. */
export async function mintFor(issuer: string, device: string): Promise<string> {
  const path = `/v1/devices/${device}/tokens`
  const minted = await callAsOperator(issuer, 'POST', path, { expires_in: 86_400 })
  return String(minted['access_token'])
}
