// Settings that give trust or power are changed by `manage` alone, held for good; each setting says
// which scope it needs.
import { expect, test } from 'vitest'
import { changeSettings, type SettingsPatch } from '../../worker/admin/settings_change.ts'
import type { Actor } from '../../worker/context.ts'
import { DEFAULT_SETTINGS, SETTINGS, scopeToChange } from '../../worker/settings.ts'
import { startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

const issuer = 'https://login.partner.example'
const OTHER_VALUES: Record<string, unknown> = {
  trusted_issuers: [{ issuer, jwks_uri: `${issuer}/jwks`, subject: 'sub' }],
  registration: 'open',
  required_profile_fields: ['name'],
  own_profile_fields: ['name'],
  self_registered_scopes: ['openid'],
  self_registered_resources: ['https://api.example'],
  service_name: 'Home',
  default_locale: 'pl',
  sign_up: 'open',
  self_consent_age: { default: 16, countries: { AT: 14 } },
  breached_passwords_url: 'https://leaks.example/range',
  require_factor: 'everybody',
  mail_codes: 'on',
  sign_in_links: 'on',
  sign_in_names: ['email'],
  owner_role: 'operator',
  privacy_uri: 'https://home.example/privacy',
}

/** Another value than the default, which the setting takes. */
function otherValue(name: string, value: unknown): unknown {
  if (typeof value === 'boolean') return !value
  if (typeof value === 'number') return value + 1
  if (Object.hasOwn(OTHER_VALUES, name)) return OTHER_VALUES[name]
  throw new Error(`give OTHER_VALUES one for the setting ${name}`)
}

test('each setting that says so, or says nothing, is changed with manage alone, and the refusal names it', async () => {
  const worker = await startWorker()
  const few: Actor = { kind: 'client', id: 'few', scopes: new Set(['settings:write']) }
  for (const [name, value] of Object.entries(DEFAULT_SETTINGS)) {
    const patch = { [name]: otherValue(name, value) } as SettingsPatch
    const change = changeSettings(worker.context(few), patch)
    if (scopeToChange(name) === 'settings:write') await change
    else {
      await expect(change, name).rejects.toMatchObject({
        type: 'forbidden',
        reason: 'power_not_held',
        errors: [{ pointer: `/${name}` }],
      })
    }
    await changeSettings(worker.context(), patch)
    await changeSettings(worker.context(), { [name]: null })
  }
  expect(scopeToChange('a setting without a word')).toBe('manage')
  const open = Object.keys(SETTINGS).filter((name) => scopeToChange(name) !== 'manage')
  expect(open).not.toContain('trusted_issuers')
  expect(open.filter((name) => /_ttl$|attempts|registration|documents|issuers/.test(name))).toEqual(
    [],
  )
})

test('a refused patch changes nothing; one that leaves a powerful setting as it is passes', async () => {
  const worker = await startWorker()
  const token = await newClientToken(worker, 'settings:read settings:write')
  const patch = (body: object) => callApi(worker, token, 'PATCH', '/v1/settings', body)
  const refused = await patch({ service_name: 'Mine', session_ttl: 90_000, registration: 'open' })
  expect(refused.status).toBe(403)
  expect(refused.body['errors']).toEqual([
    { pointer: '/session_ttl', detail: 'needs the scope manage' },
    { pointer: '/registration', detail: 'needs the scope manage' },
  ])
  const settings = (await callApi(worker, token, 'GET', '/v1/settings')).body
  expect(settings).toMatchObject({ service_name: '', registration: 'token' })
  const passed = await patch({ service_name: 'Home', registration: 'token' })
  expect([passed.status, passed.body['service_name']]).toEqual([200, 'Home'])
})

test('the API document says of each setting which scope a change needs', async () => {
  const worker = await startWorker()
  const document = (await (await worker.request('/openapi.json')).json()) as {
    components: { schemas: Record<string, { properties: Record<string, { description: string }> }> }
  }
  for (const schema of ['Settings', 'SettingsPatch']) {
    const properties = document.components.schemas[schema]?.properties ?? {}
    expect(Object.keys(properties)).toEqual(Object.keys(SETTINGS))
    for (const [name, { description }] of Object.entries(properties)) {
      expect(description).toContain(`A change needs the scope \`${scopeToChange(name)}\`.`)
    }
  }
})
