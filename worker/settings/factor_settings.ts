// Settings about second factors, and about the proof of an address.
import { z } from '../api.ts'
import { settingEntry } from './setting_entry.ts'

/** Most days for which a browser is not asked for the second factor. */
export const TRUST_DAYS_MAX = 90

export const FACTOR_SETTINGS = {
  require_factor: settingEntry({
    schema: z.enum(['nobody', 'operators', 'everybody']),
    default: 'nobody',
    unit: null,
    needs: 'manage',
    meaning:
      'Of whom a second factor is demanded at each sign-in: `operators` are people who hold a scope of the management API; groups and roles (`require_factor`) and clients (`require_acr`) may demand one of more people. A person who has none adds one on the spot.',
  }),
  remember_browser_days: settingEntry({
    schema: z.int().min(0).max(TRUST_DAYS_MAX),
    default: 0,
    unit: 'days',
    needs: 'manage',
    meaning:
      'For how many days a person who proved a second factor may say that this browser is not asked for it again, where nothing demands one; 0: never. A client may name another number (`remember_browser_days`).',
  }),
  mail_codes: settingEntry({
    schema: z.enum(['off', 'on']),
    default: 'off',
    unit: null,
    needs: 'manage',
    meaning:
      'Whether a code that is mailed counts as a second factor, where one is demanded of a person who has none. Not beside a sign-in by a mailed link or a password that came by one, which prove the same mailbox.',
  }),
  require_verified_address: settingEntry({
    schema: z.boolean(),
    default: false,
    unit: null,
    needs: 'settings:write',
    meaning:
      'Whether people whose e-mail address is not proven have to prove it, by a mailed link, before they go on after a sign-in.',
  }),
}
