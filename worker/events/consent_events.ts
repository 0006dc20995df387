// Events about consents: texts, their versions, and decisions of people. Part of the catalogue
// (event_catalogue.ts).
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const CONSENT_EVENTS = {
  'consent.created': {
    subject: 'the key of the consent',
    subject_is: 'consent',
    meaning: 'A text that people decide about was made.',
    data: {
      versions: { is: 'strings', meaning: 'names of its versions' },
    },
  },
  'consent.updated': {
    subject: 'the key of the consent',
    subject_is: 'consent',
    changes: true,
    meaning: 'It was changed whether people can go on without a consent.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'consent.version_added': {
    subject: 'the key of the consent',
    subject_is: 'consent',
    meaning: 'A new version of a text was published.',
    data: {
      version: { is: 'string', meaning: 'name of the version' },
      demanded_from: { is: 'number', meaning: 'from when it is demanded, in epoch seconds' },
    },
  },
  'consent.version_changed': {
    subject: 'the key of the consent',
    subject_is: 'consent',
    changes: true,
    meaning:
      'The time was changed from which a version is demanded or, before anybody accepted it, its texts.',
    data: {
      version: { is: 'string', meaning: 'name of the version' },
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'consent.asked_again': {
    subject: 'the key of the consent',
    subject_is: 'consent',
    meaning: 'Everybody is asked again: no decision of before counts.',
    data: {
      round: { is: 'number', meaning: 'how many times everybody was asked' },
    },
  },
  'consent.accepted': {
    subject: 'the user',
    meaning: 'A person accepted a version of a text.',
    data: {
      consent: { is: 'string', names: 'consent', meaning: 'key of the consent' },
      version: { is: 'string', meaning: 'name of the version' },
      locale: { is: 'string', meaning: 'the language in which it was shown' },
      at_client: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the application that had sent the person',
      },
    },
  },
  'consent.withdrawn': {
    subject: 'the user',
    meaning:
      'A person took an acceptance back. Of a required text this ended all sessions and all access of applications.',
    data: {
      consent: { is: 'string', names: 'consent', meaning: 'key of the consent' },
      version: { is: 'string', meaning: 'name of the version that was accepted' },
    },
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
