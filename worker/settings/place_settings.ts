// Settings about places. Part of the table.
import { z } from '../api.ts'
import { settingEntry as setting } from './setting_entry.ts'

export const PLACE_SETTINGS = {
  owner_role: setting({
    schema: z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9._~-]*$/, 'must be the name of a role, or empty'),
    default: 'owner',
    unit: null,
    needs: 'manage',
    meaning:
      'Name of the role that the owner of a place gets on it: who claims a device into a new place, and who accepts a place that is offered without a role. Empty: nobody makes a place by claiming, and an offer names its role. A new installation has the role `owner`.',
  }),
}
