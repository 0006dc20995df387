// Events about places that change hands. Part of the catalogue (event_catalogue.ts).
import type { EntryOfCatalogue } from './catalogue_entry.ts'

const transfer = { is: 'string', meaning: 'id of the transfer' } as const

export const PLACE_EVENTS = {
  'group.member_end_changed': {
    subject: 'the member',
    meaning: 'The membership of a person got another end.',
    data: {
      group_id: { is: 'string', names: 'principal', meaning: 'the group' },
      expires_at: { is: 'number or null', meaning: 'until when (epoch seconds); null: for good' },
    },
  },
  'place.account_made': {
    subject: 'the user',
    meaning: 'An account without an address was made in a place.',
    data: { group_id: { is: 'string', names: 'principal', meaning: 'the place' } },
  },
  'place.transfer_offered': {
    subject: 'the group',
    meaning: 'A place was offered to a new owner.',
    data: {
      transfer,
      mail_id: { is: 'string', names: 'mail', meaning: 'the mail that brings the link' },
    },
  },
  'place.transfer_withdrawn': {
    subject: 'the group',
    meaning: 'The offer of a place was taken back.',
    data: { transfer },
  },
  'place.transferred': {
    subject: 'the group',
    meaning: 'A place got a new owner, and the rights of everybody else there ended.',
    data: {
      transfer,
      owner: { is: 'string', names: 'principal', meaning: 'the new owner' },
      offered_by: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the person or client that offered it',
      },
    },
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
