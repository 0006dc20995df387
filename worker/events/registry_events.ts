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
  'device_job.started': {
    subject: 'the job',
    subject_is: 'device_job',
    meaning: 'A change of many devices was begun. Each device has the event of its own change.',
    data: {
      action: { is: 'string', meaning: 'what is done with each, such as `suspend`' },
      filter: { is: 'string', meaning: 'which devices, as JSON' },
      undo_of: { is: 'string or null', names: 'device_job', meaning: 'the job that it takes back' },
    },
  },
  'device_job.ended': {
    subject: 'the job',
    subject_is: 'device_job',
    meaning: 'A change of many devices came to its end.',
    data: {
      state: { is: 'string', meaning: '`done`, `stopped` or `cancelled`' },
      reason: { is: 'string or null', meaning: 'why it stopped' },
      total: { is: 'number', meaning: 'devices that were selected' },
      done: { is: 'number', meaning: 'devices that were gone through' },
      failed: { is: 'number', meaning: 'those of them that could not be changed' },
    },
  },
  'device.claimed': {
    subject: 'the device',
    meaning: 'A device came in by a claim token, with a key of its own.',
    data: { batch: { is: 'string', names: 'claim_batch', meaning: 'the claim token' } },
  },
  'device.claim_code_made': {
    subject: 'the device',
    meaning: 'A code was made by which a person claims the device; the one of before is dead.',
    data: {
      code: { is: 'string', meaning: 'id of the claim code' },
      expires_at: { is: 'number', meaning: 'its end, in epoch seconds' },
    },
  },
  'device.claim_code_withdrawn': {
    subject: 'the device',
    meaning: 'The claim code of a device was taken back.',
    data: {},
  },
  'device.claimed_by_person': {
    subject: 'the device',
    meaning:
      'A person claimed the device with its code. It left its groups, its grants ended, and it is in the place of that person.',
    data: {
      code: { is: 'string', meaning: 'id of the claim code' },
      group: { is: 'string', names: 'principal', meaning: 'the place' },
      made_by: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the person or client that made the code',
      },
    },
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
