// Changes of settings (the table of ../settings.ts), by PATCH /v1/settings and by the blueprint.
import { changedMeanwhile, demandPower, lackingToHandOn } from '../access/power.ts'
import { findRolesByNames, roleExists } from '../access/roles.ts'
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { unlessRefused } from '../db/database.ts'
import { refuseUnless } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import { judgeKeySet } from '../keys/public_key.ts'
import {
  acceptSettings,
  DEFAULT_SETTINGS,
  listSettings,
  type Settings,
  scopeToChange,
  settingsSchema,
  type TrustedIssuer,
  updateSetting,
} from '../settings.ts'

/** A merge patch: null puts a setting back to its default. */
export const settingsPatch = z
  .strictObject(
    Object.fromEntries(
      Object.entries(settingsSchema.shape).map(([name, field]) => [
        name,
        field.nullable().optional(),
      ]),
    ),
  )
  .openapi('SettingsPatch')

export type SettingsPatch = { [name in keyof Settings]?: Settings[name] | null }

/** The settings as a patch leaves them. */
export const settingsAfter = (patch: SettingsPatch, current: Settings): Settings => ({
  ...current,
  ...Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [
      name,
      value ?? DEFAULT_SETTINGS[name as keyof Settings],
    ]),
  ),
})

/** The statements of a change and the names of the changed settings; none when nothing changes. */
export function planSettings(cx: Context, patch: SettingsPatch, current: Settings) {
  const names = Object.keys(patch) as (keyof Settings)[]
  const wanted = (name: keyof Settings) => patch[name] ?? DEFAULT_SETTINGS[name]
  // Compared as text, since some are lists. Every value was read by its schema, so members are in
  // one order.
  const fields = names.filter(
    (name) => JSON.stringify(wanted(name)) !== JSON.stringify(current[name]),
  )
  const next = settingsAfter(patch, current)
  if (
    next.session_idle_ttl > next.session_ttl ||
    next.refresh_token_idle_ttl > next.refresh_token_ttl
  ) {
    throw new Problem('invalid_request', 'an idle lifetime cannot be longer than the whole one')
  }
  // Otherwise our own tokens would count as the statement of another issuer about the same person.
  if (next.trusted_issuers.some(({ issuer }) => issuer === cx.config.issuer)) {
    throw new Problem('invalid_request', 'the settings cannot be so', [
      { pointer: '/trusted_issuers', detail: 'names this issuer itself' },
    ])
  }
  if (fields.includes('trusted_issuers')) assertSoundKeys(next.trusted_issuers)
  const statements = fields.map((name) => updateSetting(cx, name, patch[name] ?? undefined))
  if (fields.length > 0) {
    const change = changedValues(current, next, fields)
    statements.push(
      appendEvent(cx, { type: 'settings.updated', data: { names: fields }, ...change }),
    )
  }
  const change = fields.length > 0 ? ('updated' as const) : ('unchanged' as const)
  return { change, fields, statements }
}

/** Keys of other issuers are judged as those of clients are. Throws Problem. */
function assertSoundKeys(issuers: readonly TrustedIssuer[]): void {
  const faults = issuers.flatMap(({ jwks }, n) => {
    if (jwks === undefined) return []
    const pointer = `/trusted_issuers/${n}/jwks/keys`
    const { usable, faults } = judgeKeySet(jwks.keys)
    const none = 'has no key that can verify a signature here: Ed25519, P-256 or RSA'
    if (faults.length + usable.length === 0) return [{ pointer, detail: none }]
    return faults.map(({ place, member, message }) => ({
      pointer: [pointer, place, ...(member === '' ? [] : [member])].join('/'),
      detail: message,
    }))
  })
  if (faults.length > 0) throw new Problem('invalid_request', 'the settings cannot be so', faults)
}

/**
 * The Problem for an actor without `manage`, or with one that ends: some settings give trust or
 * power (whoever names a trusted issuer can become anyone), and a change outlives the actor's own.
 */
function needsManage(fields: readonly string[]): Problem {
  return new Problem(
    'forbidden',
    'these settings need the scope manage, held without an end',
    fields.map((name) => ({ pointer: `/${name}`, detail: 'needs the scope manage' })),
    'power_not_held',
  )
}

/** Applies a merge patch. Other instances follow within a minute. Round trips: 1 read, 1 write. */
export async function changeSettings(cx: Context, patch: SettingsPatch): Promise<Settings> {
  const lacking = lackingToHandOn(cx, ['manage'])
  const role = patch.owner_role ?? ''
  const { rows, lacks, roles } = await cx.db.read({
    rows: listSettings(),
    lacks: lacking,
    roles: findRolesByNames(role === '' ? [] : [role]),
  })
  const plan = planSettings(cx, patch, acceptSettings(cx, rows))
  const powerful = plan.fields.filter((name) => scopeToChange(name) === 'manage')
  if (lacks.length > 0 && powerful.length > 0) throw needsManage(powerful)
  if (plan.fields.includes('owner_role') && role !== '' && roles.length === 0) {
    throw new Problem('invalid_request', 'the settings cannot be so', [
      { pointer: '/owner_role', detail: 'there is no such role' },
    ])
  }
  const demands = [
    ...(powerful.length > 0 ? demandPower([lacking]) : []),
    ...(role === '' ? [] : [refuseUnless(roleExists(role), 'role_unknown')]),
  ]
  const write = cx.db.write({ demands, changes: plan.statements, after: listSettings() })
  const { after } = await unlessRefused(write, () => {
    throw changedMeanwhile()
  })
  return acceptSettings(cx, after)
}
