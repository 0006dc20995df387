// Events about accounts: closing, keeping, export. Part of the catalogue (event_catalogue.ts).
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const ACCOUNT_EVENTS = {
  'user.closed': {
    subject: 'the user',
    meaning:
      'A person closed the own account: sessions and all access of applications ended. An operator who closes one changes it (`user.updated`).',
    data: {
      closes_at: { is: 'number', meaning: 'when the account is deleted, in epoch seconds' },
    },
  },
  'user.kept': {
    subject: 'the user',
    meaning: 'A person kept an account that was closed: it is active again.',
    data: {},
  },
  'user.exported': {
    subject: 'the user',
    meaning: 'A copy of all that is kept about a person was made, by the person or an operator.',
    data: {
      form: { is: 'string', meaning: '`json` or `html`' },
    },
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
