// Events about keys that take the place of others, and about what devices report. Part of the
// catalogue.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const DEVICE_KEY_EVENTS = {
  'device_credential.rotated': {
    subject: 'the device',
    meaning: 'A device took another key in the place of the one by which it proved itself.',
    data: {
      credential_id: { is: 'string', names: 'credential', meaning: 'id of the new credential' },
      replaces: { is: 'string', names: 'credential', meaning: 'id of the one that it replaces' },
      kid: { is: 'string', meaning: '`kid` of the new key' },
    },
  },
  'device_ca.created': {
    subject: 'the authority',
    subject_is: 'device_ca',
    meaning: 'An authority was registered, whose certificates prove devices.',
    data: {
      name: { is: 'string', meaning: 'its name' },
      thumbprint: { is: 'string', meaning: 'SHA-256 of its certificate, base64url' },
      device_type: {
        is: 'string or null',
        names: 'device_type',
        meaning: 'the type of its devices; null: each',
      },
      group: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the place of its devices; null: each',
      },
    },
  },
  'device_ca.updated': {
    subject: 'the authority',
    subject_is: 'device_ca',
    changes: true,
    meaning:
      "An authority was renamed, disabled or enabled. Disabled, it ended its devices' tokens.",
    data: { fields: { is: 'strings', meaning: 'names of the changed fields' } },
  },
  'device_ca.deleted': {
    subject: 'the authority',
    subject_is: 'device_ca',
    meaning: 'An authority was forgotten, and what devices got by it ended.',
    data: {
      name: { is: 'string', meaning: 'its name' },
      thumbprint: { is: 'string', meaning: 'SHA-256 of its certificate, base64url' },
      device_type: {
        is: 'string or null',
        names: 'device_type',
        meaning: 'the type of its devices; null: each',
      },
      group: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the place of its devices; null: each',
      },
    },
  },
  'device_issuer.set': {
    subject: null,
    meaning: 'The authority was set with which this server makes certificates of devices.',
    data: { thumbprint: { is: 'string', meaning: 'SHA-256 of its certificate, base64url' } },
  },
  'device_issuer.removed': {
    subject: null,
    meaning: 'This server makes no certificates of devices any more.',
    data: {},
  },
  'device.rotation_demanded': {
    subject: 'the device',
    meaning: 'A device has to take other keys; those that it has end.',
    data: { rotate_by: { is: 'number', meaning: 'when they end' } },
  },
  'device.rotation_taken_back': {
    subject: 'the device',
    meaning: 'A job was undone: keys of the device end again as they did before it.',
    data: {},
  },
  'device_type.rotation_demanded': {
    subject: 'the device type',
    subject_is: 'device_type',
    meaning: 'All devices of a type have to take other keys; those that they have end.',
    data: { rotate_by: { is: 'number', meaning: 'when they end' } },
  },
  'device.reported': {
    subject: 'the device',
    meaning: 'A device reported another firmware or model than before.',
    data: {
      firmware: { is: 'string', meaning: 'its firmware' },
      model: { is: 'string or null', meaning: 'its model' },
    },
  },
} as const satisfies Record<string, EntryOfCatalogue>
