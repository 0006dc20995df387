// The table of audiences (design: "Audiences"), and the syntax of scope.
import { expect, test } from 'vitest'
import { parseScope, resolveAudience } from '../../worker/oauth/scopes.ts'
import { ISSUER, startWorker } from '../context.ts'

const MQTT = 'urn:allauth:mqtt'
const API = `${ISSUER}/v1`
const SHOP = 'https://shop.example/'
const BANK = 'https://bank.example/'

test.each<[string, string[], { audience?: string[]; scope?: string; error?: string }]>([
  ['', [], { audience: [ISSUER], scope: '' }],
  ['openid profile email', [], { audience: [ISSUER], scope: 'openid profile email' }],
  ['orders', [], { audience: [ISSUER], scope: 'orders' }],
  ['mqtt', [], { audience: [MQTT], scope: 'mqtt' }],
  ['mqtt offline_access', [], { audience: [MQTT], scope: 'mqtt offline_access' }],
  ['openid mqtt', [], { audience: [MQTT, ISSUER], scope: 'openid mqtt' }],
  ['openid mqtt', [MQTT], { audience: [MQTT], scope: 'mqtt' }],
  ['openid mqtt', [ISSUER], { audience: [ISSUER], scope: 'openid' }],
  ['', [MQTT], { audience: [MQTT], scope: '' }],
  ['manage', [], { audience: [API], scope: 'manage' }],
  ['users:read devices:write', [], { audience: [API], scope: 'users:read devices:write' }],
  ['manage offline_access', [], { audience: [API], scope: 'manage offline_access' }],
  ['manage openid', [], { error: 'invalid_scope' }],
  ['manage mqtt', [], { error: 'invalid_scope' }],
  ['users:read orders', [], { error: 'invalid_scope' }],
  ['openid users:read mqtt', [API], { audience: [API], scope: 'users:read' }],
  ['openid users:read mqtt', [MQTT], { audience: [MQTT], scope: 'mqtt' }],
  ['openid orders', [SHOP], { audience: [SHOP], scope: 'orders' }],
  ['orders', [SHOP, BANK], { audience: [SHOP, BANK], scope: 'orders' }],
  ['openid orders', [SHOP, ISSUER], { audience: [SHOP, ISSUER], scope: 'openid orders' }],
  ['mqtt orders', [SHOP, MQTT], { error: 'invalid_target' }],
  ['manage', [API, SHOP], { error: 'invalid_target' }],
  ['openid mqtt', [ISSUER, MQTT], { error: 'invalid_target' }],
  ['manage', [API, MQTT], { error: 'invalid_target' }],
])('scope "%s" with resource %j: %j', async (scope, resource, expected) => {
  const worker = await startWorker()
  const resolve = () => {
    const result = resolveAudience(worker.context(), parseScope(scope), resource)
    return { audience: result.audience, scope: result.scope.join(' ') }
  }
  if (expected.error === undefined) expect(resolve()).toEqual(expected)
  else expect(resolve).toThrow(expect.objectContaining({ error: expected.error }))
})

test.each([
  [undefined, []],
  ['', []],
  ['a b', ['a', 'b']],
  ['a  a b', ['a', 'b']],
  ['!#[]~:/?', ['!#[]~:/?']],
])('scope %j is read as %j', (text, expected) => {
  expect(parseScope(text)).toEqual(expected)
})

test.each(['a"', 'a\\b', 'a\tb', 'ä', 'a\u0000', 'a\u007f'])('scope %j is refused', (text) => {
  expect(() => parseScope(text)).toThrow(expect.objectContaining({ error: 'invalid_scope' }))
})
