// The events of mails; event_catalogue.ts puts them among the others.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const MAIL_EVENTS = {
  'mail.sent': {
    subject: 'the person it is about; null where the address has no account',
    meaning: 'A mail was taken by the mail server or provider.',
    data: {
      mail_id: { is: 'string', names: 'mail', meaning: 'the mail, as the outbox names it' },
      kind: { is: 'string', meaning: 'kind of the mail' },
      attempts: { is: 'number', meaning: 'how often it was tried' },
    },
  },
  'mail.abandoned': {
    outcome: 'failure',
    subject: 'the person it is about; null where the address has no account',
    meaning: 'A mail was not sent and is not tried any more.',
    data: {
      mail_id: { is: 'string', names: 'mail', meaning: 'the mail, as the outbox names it' },
      kind: { is: 'string', meaning: 'kind of the mail' },
      attempts: { is: 'number', meaning: 'how often it was tried' },
      reason: { is: 'string', meaning: 'why, as docs/people.md explains it' },
    },
  },
  'mail.suppressed': {
    outcome: 'failure',
    subject: 'the person it is about; null where the address has no account',
    meaning: 'A mail was not sent, since its address is marked as undeliverable.',
    data: {
      mail_id: { is: 'string', names: 'mail', meaning: 'the mail, as the outbox names it' },
      kind: { is: 'string', meaning: 'kind of the mail' },
    },
  },
  'mail.read': {
    subject: 'the person it is about; null where the address has no account',
    meaning: 'The text of a mail was read in the outbox, with its link or code.',
    data: {
      mail_id: { is: 'string', names: 'mail', meaning: 'the mail, as the outbox names it' },
      kind: { is: 'string', meaning: 'kind of the mail' },
    },
  },
  'mail_address.marked': {
    subject: 'the person who has the address; null where nobody has',
    meaning: 'A report marked an address as undeliverable: nothing is sent there.',
    data: {
      reason: { is: 'string', meaning: '`bounce` or `complaint`' },
    },
  },
  'mail_address.cleared': {
    subject: 'the person who has the address; null where nobody has',
    meaning: 'The mark of an address was taken away: mails are sent there again.',
    data: {},
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
