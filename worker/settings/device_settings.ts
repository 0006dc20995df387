// Settings about devices. Part of the table.
import { z } from '../api.ts'
import { settingEntry as setting } from './setting_entry.ts'

export const DEVICE_SETTINGS = {
  rotation_grace_ttl: setting({
    schema: z.int().min(0).max(2_592_000),
    default: 86_400,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long the key of a device still counts after the device took another one in its place.',
  }),
}
