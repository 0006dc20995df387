// Events about new passwords, and links that operators make. Part of the catalogue.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const CREDENTIAL_EVENTS = {
  'user.sign_in_link_made': {
    subject: 'the user',
    meaning: 'An operator made a link with which a person signs in.',
    data: {
      expires_at: { is: 'number', meaning: 'its end, in epoch seconds' },
      mail_id: {
        is: 'string',
        optional: true,
        names: 'mail',
        meaning: 'the mail that brings it to the person',
      },
    },
  },
  'breached_passwords.unavailable': {
    outcome: 'failure',
    subject: null,
    meaning:
      'The service of `breached_passwords_url` gave no usable answer, so a new password was taken without it. One event counts those of a minute with the same reason.',
    data: {
      reason: {
        is: 'string',
        meaning: 'the word for what went wrong, such as `timeout`, `status` or `not_a_range`',
      },
      count: { is: 'number', optional: true, meaning: 'how many times in this minute' },
      last_at: { is: 'number', optional: true, meaning: 'time of the last one, in epoch seconds' },
    },
  },
} as const satisfies Record<string, EntryOfCatalogue>
