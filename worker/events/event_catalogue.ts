// The catalogue of events: the meaning of each type, the thing or person that its `subject_id`
// names, and the members of its `data`. The types that `appendEvent` takes, the objects that an
// event names, `/openapi.json` and docs/events.md (`npm run docs`) derive from it.

import { ACCOUNT_EVENTS } from './account_events.ts'
import type { EntryOfCatalogue, ValueOf } from './catalogue_entry.ts'
import { CONSENT_EVENTS } from './consent_events.ts'
import { CREDENTIAL_EVENTS } from './credential_events.ts'
import { FACTOR_EVENTS } from './factor_events.ts'
import { INVITATION_EVENTS } from './invitation_events.ts'
import { LOGIN_ID_EVENTS } from './login_id_events.ts'
import { MAIL_EVENTS } from './mail_events.ts'
import { OAUTH_EVENTS } from './oauth_events.ts'
import { PLACE_EVENTS } from './place_events.ts'
import { REGISTRY_EVENTS } from './registry_events.ts'

/** Every type, `<noun>.<past participle>`, by room. */
export const EVENTS = {
  // --- access
  'grant.created': {
    subject: 'the subject of the grant',
    meaning: 'A role was granted on an object.',
    data: {
      grant: { is: 'string', names: 'grant', meaning: 'id of the grant' },
      role: { is: 'string', names: 'role', meaning: 'the role' },
      object: {
        is: 'string',
        names: 'principal',
        meaning: 'the device or group it is granted on, or `*`',
      },
    },
  },
  'grant.updated': {
    subject: 'the subject of the grant',
    changes: true,
    meaning: 'The time in which a grant counts was changed.',
    data: {
      grant: { is: 'string', names: 'grant', meaning: 'id of the grant' },
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'grant.deleted': {
    subject: 'the subject of the grant',
    meaning: 'A grant was taken back.',
    data: {
      grant: { is: 'string', names: 'grant', meaning: 'id of the grant' },
      role: { is: 'string', names: 'role', meaning: 'the role' },
      object: {
        is: 'string',
        names: 'principal',
        meaning: 'the device or group it was granted on, or `*`',
      },
    },
  },
  'group.created': {
    subject: 'the group',
    meaning: 'A group was made.',
    data: {
      kind: { is: 'string', meaning: 'kind of the group' },
      parent_id: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the group above it; null at the top',
      },
    },
  },
  'group.updated': {
    subject: 'the group',
    changes: true,
    meaning: 'A group was changed.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'group.deleted': {
    subject: 'the group',
    meaning: 'A group was deleted; its id stays taken.',
    data: {
      kind: { is: 'string', meaning: 'kind of the group' },
    },
  },
  'group.member_added': {
    subject: 'the member',
    meaning: 'A principal became a member of a group.',
    data: {
      group_id: { is: 'string', names: 'principal', meaning: 'the group' },
      kind: { is: 'string', meaning: 'kind of the member: user, client or device' },
    },
  },
  'group.member_removed': {
    subject: 'the member',
    meaning: 'A principal ceased to be a member of a group.',
    data: {
      group_id: { is: 'string', names: 'principal', meaning: 'the group' },
    },
  },
  'groups.changed': {
    subject: 'the member',
    meaning: 'The groups of a principal were set as a whole.',
    data: {
      added: { is: 'strings', names: 'principal', meaning: 'groups it is a member of from now on' },
      removed: { is: 'strings', names: 'principal', meaning: 'groups it is no longer a member of' },
    },
  },
  'role.created': {
    subject: null,
    meaning: 'A role was made.',
    data: {
      role: { is: 'string', names: 'role', meaning: 'name of the role' },
    },
  },
  'role.updated': {
    subject: null,
    changes: true,
    meaning: 'A role was changed.',
    data: {
      role: { is: 'string', names: 'role', meaning: 'name of the role' },
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'role.deleted': {
    subject: null,
    meaning: 'A role was deleted.',
    data: {
      role: { is: 'string', names: 'role', meaning: 'name of the role' },
    },
  },
  'escalation.refused': {
    outcome: 'failure',
    subject: 'the person or client that asked',
    meaning:
      'Somebody was refused what goes beyond own power or scopes. One event for each reason and minute.',
    data: {
      reason: { is: 'string', meaning: 'why, as docs/refusals.md explains it' },
      error: { is: 'string', meaning: 'the error in the answer' },
      count: {
        is: 'number',
        meaning: 'how many times in this minute, as far as they were counted',
      },
      last_at: { is: 'number', meaning: 'when it happened last, in epoch seconds' },
    },
  },
  // --- admin
  'epoch.begun': {
    subject: null,
    meaning:
      'The database was put back to an earlier moment; all that was issued before no longer counts.',
    data: {},
  },
  'device_token.minted': {
    subject: 'the device',
    meaning: 'An operator made a token for a device that cannot get one itself.',
    data: {
      id: { is: 'string', names: 'minted_token', meaning: 'id of the token' },
      expires_at: { is: 'number', meaning: 'its end, in epoch seconds' },
    },
  },
  'device_token.revoked': {
    subject: 'the device',
    meaning: 'A token that was minted for a device was revoked.',
    data: {
      id: { is: 'string', names: 'minted_token', meaning: 'id of the token' },
    },
  },
  'settings.updated': {
    subject: null,
    changes: true,
    meaning: 'Settings were changed or put back to their default.',
    data: {
      names: { is: 'strings', names: 'setting', meaning: 'names of the changed settings' },
    },
  },
  'message.updated': {
    subject: null,
    changes: true,
    meaning: 'A text of the pages was changed, or put back to that of the program.',
    data: {
      locale: { is: 'string', meaning: 'its language' },
      key: { is: 'string', meaning: 'its key' },
    },
  },
  // --- devices
  'device.created': {
    subject: 'the device',
    meaning: 'A device was registered.',
    data: {
      type: { is: 'string', names: 'device_type', meaning: 'its device type' },
      groups: { is: 'strings', names: 'principal', meaning: 'groups it is a member of' },
      credentials: { is: 'strings', names: 'credential', meaning: 'ids of its credentials' },
    },
  },
  'device.updated': {
    subject: 'the device',
    changes: true,
    meaning: 'A device was changed, apart from its status.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
      groups_added: {
        is: 'strings',
        names: 'principal',
        optional: true,
        meaning: 'groups it is a member of from now on',
      },
      groups_removed: {
        is: 'strings',
        names: 'principal',
        optional: true,
        meaning: 'groups it is no longer a member of',
      },
    },
  },
  'device.activated': { subject: 'the device', meaning: 'A device became active.', data: {} },
  'device.suspended': {
    subject: 'the device',
    meaning:
      'A device was suspended: it gets no tokens until it is active again, and those of before are dead for good.',
    data: {},
  },
  'device.retired': { subject: 'the device', meaning: 'A device was retired.', data: {} },
  'device.deleted': {
    subject: 'the device',
    meaning: 'A device was deleted; its id stays taken.',
    data: {
      type: { is: 'string', names: 'device_type', meaning: 'its device type' },
    },
  },
  'device_credential.created': {
    subject: 'the device',
    meaning: 'A device got a credential.',
    data: {
      credential_id: { is: 'string', names: 'credential', meaning: 'id of the credential' },
      kind: { is: 'string', meaning: 'kind of the credential' },
      kid: { is: 'string or null', meaning: '`kid` of its key; null where it has none' },
    },
  },
  'device_credential.revoked': {
    subject: 'the device',
    meaning: 'A credential of a device was revoked.',
    data: {
      credential_id: { is: 'string', names: 'credential', meaning: 'id of the credential' },
    },
  },
  'device_type.created': {
    subject: 'the device type',
    subject_is: 'device_type',
    meaning: 'A device type was made.',
    data: {},
  },
  'device_type.updated': {
    subject: 'the device type',
    subject_is: 'device_type',
    changes: true,
    meaning: 'A device type was changed.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'device_type.deleted': {
    subject: 'the device type',
    subject_is: 'device_type',
    meaning: 'A device type was deleted.',
    data: {},
  },
  // --- identity
  'login.failed': {
    outcome: 'failure',
    subject: 'the user; null for an unknown one',
    meaning: 'A sign-in was refused.',
    data: {
      reason: {
        is: 'string',
        meaning: '`unknown_account`, `password`, `disabled` or `second_factor`',
      },
      count: {
        is: 'number',
        optional: true,
        meaning: 'of unknown accounts: how many in this minute, in one event',
      },
      last_at: {
        is: 'number',
        optional: true,
        meaning: 'of unknown accounts: when it happened last, in epoch seconds',
      },
    },
  },
  'login.blocked': {
    outcome: 'failure',
    subject: 'the user; null for an unknown one',
    meaning:
      'Sign-ins of an account or from an address reached their limit; noted once per window.',
    data: {
      reason: { is: 'string', meaning: '`too_many_attempts`' },
      count: {
        is: 'number',
        optional: true,
        meaning: 'of unknown accounts: how many in this minute, in one event',
      },
      last_at: {
        is: 'number',
        optional: true,
        meaning: 'of unknown accounts: when it happened last, in epoch seconds',
      },
    },
  },
  'session.started': {
    subject: 'the user',
    meaning: 'A person signed in.',
    data: {
      amr: { is: 'strings', meaning: 'how the person was authenticated (RFC 8176)' },
    },
  },
  ...FACTOR_EVENTS,
  ...ACCOUNT_EVENTS,
  ...INVITATION_EVENTS,
  ...PLACE_EVENTS,
  ...CREDENTIAL_EVENTS,
  ...LOGIN_ID_EVENTS,
  ...REGISTRY_EVENTS,
  'session.ended': {
    subject: 'the user',
    meaning: 'One session of a person was ended.',
    data: {},
  },
  'user.created': {
    subject: 'the user',
    meaning: 'A user was made.',
    data: {},
  },
  'user.updated': {
    subject: 'the user',
    changes: true,
    meaning: 'A user was changed.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
      status: { is: 'string', optional: true, meaning: 'the status, where it is among them' },
    },
  },
  'user.reset_started': {
    subject: 'the user',
    meaning: 'An operator made a link behind which a person sets a new password.',
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
  'user.link_asked': {
    subject: 'the user',
    meaning: 'Somebody asked for a link that signs in, which was mailed to the person.',
    data: { mail_id: { is: 'string', meaning: 'the mail in the outbox' } },
  },
  'user.address_asked': {
    subject: 'the user',
    meaning: 'A person asked for another address, to which a link was mailed.',
    data: { mail_id: { is: 'string', meaning: 'the mail in the outbox' } },
  },
  'user.address_restored': {
    subject: 'the user',
    changes: true,
    meaning: 'The address of before was put back behind a link, with a new password.',
    data: {},
  },
  'user.password_changed': {
    subject: 'the user',
    meaning: 'A person set another password; the other browsers were signed out.',
    data: {},
  },
  'user.recovery_requested': {
    subject: 'the user',
    meaning: 'Somebody asked for a link to a new password, which was mailed to the person.',
    data: {
      expires_at: { is: 'number', meaning: 'its end, in epoch seconds' },
      mail_id: { is: 'string', meaning: 'the mail in the outbox' },
    },
  },
  'user.recovery_refused': {
    outcome: 'failure',
    subject: 'the user; null for an unknown one',
    meaning: 'Somebody asked for a link to a new password, and none was mailed.',
    data: {
      reason: { is: 'string', meaning: '`unknown_account` or `disabled`' },
      count: { is: 'number', optional: true, meaning: 'how many in this minute, in one event' },
      last_at: {
        is: 'number',
        optional: true,
        meaning: 'when it happened last, in epoch seconds',
      },
    },
  },
  'user.password_reset': {
    subject: 'the user',
    meaning:
      'A new password was set behind such a link; all sessions and all access of applications ended.',
    data: {},
  },
  'user.deleted': {
    subject: 'the user',
    meaning: 'A user was deleted; the id stays taken.',
    data: {},
  },
  'user.sessions_ended': {
    subject: 'the user',
    meaning: 'All sessions of a person were ended at once.',
    data: {},
  },
  // --- keys
  'key.rotated': {
    subject: null,
    meaning: 'The next signing key was made.',
    data: {
      alg: { is: 'string', meaning: 'its algorithm' },
    },
  },
  'key.revoked': {
    subject: null,
    meaning: 'A signing key was revoked: nothing that it signed counts any more.',
    data: {
      kid: { is: 'string', names: 'signing_key', meaning: 'the key' },
      alg: { is: 'string', meaning: 'its algorithm' },
      successor: {
        is: 'string or null',
        names: 'signing_key',
        meaning: 'the key that signs in its place; null where it did not sign',
      },
    },
  },
  'key.deleted': {
    subject: null,
    meaning: 'A signing key was deleted that SECRET_KEY does not open.',
    data: {
      kid: { is: 'string', names: 'signing_key', meaning: 'the key' },
      alg: { is: 'string', meaning: 'its algorithm' },
    },
  },
  'secrets.resealed': {
    subject: null,
    meaning: 'What an older SECRET_KEY had sealed was sealed with the newest one.',
    data: {
      signing_keys: { is: 'number', meaning: 'how many signing keys' },
      stored_secrets: { is: 'number', meaning: 'how many secrets of the system' },
      mails: { is: 'number', optional: true, meaning: 'how many links and codes in mails' },
    },
  },
  ...CONSENT_EVENTS,
  ...MAIL_EVENTS,
  ...OAUTH_EVENTS,
  ...REGISTRY_EVENTS,
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>

export type EventType = keyof typeof EVENTS

/** The same table, for code that reads any entry. */
export const CATALOGUE: Readonly<Record<EventType, EntryOfCatalogue>> = EVENTS

type MembersOf<type extends EventType> = (typeof EVENTS)[type]['data']

/** The `data` of an event of this type. */
export type EventData<type extends EventType> = {
  -readonly [name in keyof MembersOf<type> as MembersOf<type>[name] extends { optional: true }
    ? never
    : name]: ValueOf<MembersOf<type>[name]>
} & {
  -readonly [name in keyof MembersOf<type> as MembersOf<type>[name] extends { optional: true }
    ? name
    : never]?: ValueOf<MembersOf<type>[name]>
}

/** The changed members, as they stood and as they stand. */
export type Change = {
  before: Readonly<Record<string, unknown>>
  after: Readonly<Record<string, unknown>>
}

/** An event to append: one form for each type of the catalogue. */
export type NewEvent = {
  [type in EventType]: { type: type } & ((typeof EVENTS)[type]['subject'] extends null
    ? { subject_id?: null }
    : { subject_id: string | null }) &
    ((typeof EVENTS)[type] extends { outcome: infer outcome }
      ? { outcome: outcome }
      : { outcome?: 'success' }) &
    ((typeof EVENTS)[type] extends { changes: true } ? Change : object) &
    (keyof MembersOf<type> extends never
      ? { data?: Record<string, never> }
      : { data: EventData<type> })
}[EventType]
