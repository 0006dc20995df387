// Events about the rule for new passwords. Part of the catalogue.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const PASSWORD_EVENTS = {
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
