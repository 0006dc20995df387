// Events about getting devices in, and out of the hands of one owner. Part of the catalogue
// (event_catalogue.ts).
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const REGISTRY_EVENTS = {
  'devices.imported': {
    subject: 'the import',
    subject_is: 'import_job',
    meaning: 'Rows of an import were stored together. Each device has the event in its record.',
    data: {
      created: { is: 'strings', names: 'principal', meaning: 'devices that were registered' },
      updated: { is: 'strings', names: 'principal', meaning: 'devices that were changed' },
    },
  },
  'device.claimed': {
    subject: 'the device',
    meaning: 'A device came in by a claim token, with a key of its own.',
    data: { batch: { is: 'string', names: 'claim_batch', meaning: 'the claim token' } },
  },
  'claim_batch.created': {
    subject: 'the claim token',
    subject_is: 'claim_batch',
    meaning: 'A claim token was made.',
    data: {
      type: { is: 'string', names: 'device_type', meaning: 'the type of its devices' },
      group: { is: 'string or null', names: 'principal', meaning: 'the place of its devices' },
      uses: { is: 'number', meaning: 'how many devices may come in' },
      expires_at: { is: 'number', meaning: 'its end, in epoch seconds' },
    },
  },
  'claim_batch.revoked': {
    subject: 'the claim token',
    subject_is: 'claim_batch',
    meaning: 'A claim token was ended, and perhaps all devices that came in by it suspended.',
    data: { devices: { is: 'number', meaning: 'how many devices were suspended' } },
  },
  'device.released': {
    subject: 'the device',
    meaning:
      'A device was released: its credentials, groups, grants, tags and metadata are gone, and it may be claimed again.',
    data: {},
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
