// Settings about consents. Part of the table.
import { z } from '../api.ts'
import { settingEntry as setting } from './setting_entry.ts'

const years = z.int().min(0).max(21)

export const CONSENT_SETTINGS = {
  self_consent_age: setting({
    schema: z.strictObject({
      default: years,
      countries: z.record(z.string().regex(/^[A-Z]{2}$/, 'must be a code of ISO 3166-1'), years),
    }),
    default: { default: 0, countries: {} },
    unit: null,
    needs: 'manage',
    meaning:
      'From which age in years a person decides about texts alone, and in which country (ISO 3166-1 alpha-2) from which other one; 0: nobody is too young. A guardian decides for a person whose `birthdate` says less. The country is that of the address, else that of the language (`de-AT`).',
  }),
}
