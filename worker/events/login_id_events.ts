// Events about the names by which people are known. Part of the catalogue.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const LOGIN_ID_EVENTS = {
  'user.address_collides': {
    outcome: 'failure',
    subject: 'the user',
    meaning:
      'The address of a user became the same as that of another account. Both are found by the spelling that they were made with, and sign in by password alone.',
    data: {
      login_id: { is: 'string', meaning: 'id of the address among the names of the user' },
    },
  },
} as const satisfies Record<string, EntryOfCatalogue>
