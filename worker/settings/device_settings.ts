// Settings about devices. Part of the table.
import { z } from '../api.ts'
import { settingEntry as setting } from './setting_entry.ts'

export const DEVICE_SETTINGS = {
  device_certificate_ttl: setting({
    schema: z.int().min(3600).max(315_360_000),
    default: 7_776_000,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long a certificate counts that this server makes for a device, as far as the issuer that is set lasts.',
  }),
  rotation_grace_ttl: setting({
    schema: z.int().min(0).max(2_592_000),
    default: 86_400,
    unit: 'seconds',
    needs: 'manage',
    meaning:
      'How long the key of a device still counts after the device took another one in its place.',
  }),
}
