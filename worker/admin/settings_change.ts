// Changes of settings (the table of ../settings.ts), by PATCH /v1/settings and by the blueprint.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import {
  acceptSettings,
  DEFAULT_SETTINGS,
  listSettings,
  type Settings,
  settingsSchema,
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

/** The statements of a change and the names of the changed settings; none when nothing changes. */
export function planSettings(cx: Context, patch: SettingsPatch, current: Settings) {
  const names = Object.keys(patch) as (keyof Settings)[]
  const wanted = (name: keyof Settings) => patch[name] ?? DEFAULT_SETTINGS[name]
  // Compared as text, since some are lists. Every value was read by its schema, so members are in
  // one order.
  const fields = names.filter(
    (name) => JSON.stringify(wanted(name)) !== JSON.stringify(current[name]),
  )
  const next: Settings = {
    ...current,
    ...Object.fromEntries(fields.map((name) => [name, wanted(name)])),
  }
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

/** Applies a merge patch. Other instances follow within a minute. */
export async function changeSettings(cx: Context, patch: SettingsPatch): Promise<Settings> {
  const rows = await cx.db.read(listSettings())
  const plan = planSettings(cx, patch, acceptSettings(cx, rows))
  const { after } = await cx.db.write({ changes: plan.statements, after: listSettings() })
  return acceptSettings(cx, after)
}
