// Settings: parts of the table SETTINGS (../settings.ts), for each subject a file. This one has the
// form of an entry.
// Tables: none; ../settings.ts writes `setting`.
// Leaves to each room where a setting is obeyed, and to admin/ how it is changed.
import type { z } from '../api.ts'

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
  unit: 'seconds' | 'days' | 'attempts' | 'rules' | 'characters' | null
  meaning: string
}

export const settingEntry = <schema extends z.ZodType>(entry: Setting<schema>) => entry
