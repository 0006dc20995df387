// Events about invitations. Part of the catalogue (event_catalogue.ts).
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const INVITATION_EVENTS = {
  'invitation.created': {
    subject: 'the invitation',
    subject_is: 'invitation',
    meaning: 'Somebody was invited.',
    data: { mail_id: { is: 'string', names: 'mail', meaning: 'the mail that brings the link' } },
  },
  'invitation.sent': {
    subject: 'the invitation',
    subject_is: 'invitation',
    meaning: 'An invitation was sent again, with another link.',
    data: { mail_id: { is: 'string', names: 'mail', meaning: 'the mail that brings the link' } },
  },
  'invitation.revoked': {
    subject: 'the invitation',
    subject_is: 'invitation',
    meaning: 'An invitation was taken back.',
    data: {},
  },
  'invitation.accepted': {
    subject: 'the user who accepted',
    meaning: 'An invitation was accepted, and the rights that it promised were given.',
    data: {
      invitation: { is: 'string', names: 'invitation', meaning: 'the invitation' },
      invited_by: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the person or client that invited',
      },
    },
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
