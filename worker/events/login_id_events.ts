// Events about the names by which people are known. Part of the catalogue.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

const NAME = {
  login_id: { is: 'string', meaning: 'id of the name' },
  kind: { is: 'string', meaning: '`email`, `user_name` or `phone`' },
} as const

export const LOGIN_ID_EVENTS = {
  'user.login_id_added': {
    subject: 'the user',
    meaning: 'A user got another name: an address, a user name, a phone.',
    data: NAME,
  },
  'user.login_id_removed': {
    subject: 'the user',
    meaning: 'A name of a user was removed.',
    data: NAME,
  },
  'user.login_id_lost': {
    outcome: 'failure',
    subject: 'the user',
    meaning:
      'A user lost an address that was not proven: another one proved it, and an account whose only name it was is left without any.',
    data: NAME,
  },
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
