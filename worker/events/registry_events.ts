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
  'device.released': {
    subject: 'the device',
    meaning:
      'A device was released: its credentials, groups, grants, tags and metadata are gone, and it may be claimed again.',
    data: {},
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
