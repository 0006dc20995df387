// Settings: the form of their entries, and groups of them that have a file of their own.
// Files: this one has the form; factor_settings.ts what concerns second factors.
// Tables: none; `setting` is written by ../settings.ts alone.
// Leaves the list of all settings, and how it is read and changed, to ../settings.ts.
import { z } from '../api.ts'

export const seconds = (min: number, max: number) => z.int().min(min).max(max)
export const DAY = 86_400

/** A scope with which settings are changed. */
export type SettingScope = 'manage' | 'settings:write'

/**
 * All about one setting. `meaning` is one sentence for operators: in docs/settings.md and in
 * OpenAPI. `needs` is the scope that a change needs: `manage` for a setting that gives trust or
 * power, bounds how long it lasts or how often somebody may guess, and where nothing is said.
 */
export type Setting<schema extends z.ZodType> = {
  schema: schema
  default: z.infer<schema>
  needs?: SettingScope
  unit: 'seconds' | 'days' | 'attempts' | 'rules' | null
  meaning: string
}

export const settingEntry = <schema extends z.ZodType>(entry: Setting<schema>) => entry
