// Events about passkeys, second factors and recovery codes. Part of the catalogue.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const FACTOR_EVENTS = {
  'factor.added': {
    subject: 'the user',
    meaning: 'A person added a second factor or a passkey.',
    data: {
      factor: { is: 'string', meaning: 'id of the factor' },
      kind: { is: 'string', meaning: '`totp`: an authenticator app; `passkey`: a passkey' },
    },
  },
  'factor.renamed': {
    subject: 'the user',
    meaning: 'A person gave a passkey another name.',
    data: {
      factor: { is: 'string', meaning: 'id of the factor' },
    },
  },
  'factor.rolled_back': {
    outcome: 'failure',
    subject: 'the user',
    meaning:
      'A passkey was refused that counts its uses and showed no later count than before: it may have been copied.',
    data: {
      factor: { is: 'string', meaning: 'id of the factor' },
    },
  },
  'factor.removed': {
    subject: 'the user',
    meaning: 'A second factor or a passkey was removed, by the person or by an operator.',
    data: {
      factor: { is: 'string', meaning: 'id of the factor' },
      kind: { is: 'string', optional: true, meaning: '`totp` or `passkey`' },
    },
  },
  'factor.restored': {
    subject: 'the user',
    meaning:
      'A person undid, by the mailed link, that an operator removed a factor; what began since has ended.',
    data: {
      factor: { is: 'string', meaning: 'id of the factor' },
      kind: { is: 'string', meaning: '`totp` or `passkey`' },
    },
  },
  'browser.trusted': {
    subject: 'the user',
    meaning:
      'A person proved a second factor and is not asked for it again in this browser, for some days.',
    data: {},
  },
  'browser.trust_ended': {
    subject: 'the user',
    meaning: 'A person said that a browser is to be asked for the second factor again.',
    data: {},
  },
  'user.code_asked': {
    subject: 'the user',
    meaning: 'A person asked for a code as a second factor, which was mailed.',
    data: { mail_id: { is: 'string', meaning: 'the mail in the outbox' } },
  },
  'recovery_codes.made': {
    subject: 'the user',
    meaning: 'New recovery codes took the place of all others of a person.',
    data: {},
  },
  'recovery_code.used': {
    subject: 'the user',
    meaning: 'A recovery code stood in for a second factor.',
    data: {},
  },
} as const satisfies Record<string, EntryOfCatalogue>
