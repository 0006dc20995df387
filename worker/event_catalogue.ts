// The catalogue of events: the meaning of each type, the thing or person that its `subject_id`
// names, and the members of its `data`. The types that `appendEvent` takes and docs/events.md (`npm
// run docs`) derive from it. The worker uses the types alone, so that the sentences do not go into
// the bundle.

/** The words of the catalogue for the kinds of values in `data`. */
type Values = {
  string: string
  'string or null': string | null
  number: number
  'number or null': number | null
  strings: readonly string[]
}

type Member = { is: keyof Values; optional?: true; meaning: string }

type EntryOfCatalogue = {
  /** Absent: `success`. */
  outcome?: 'failure'
  /** The person or thing that `subject_id` names; null: it is null. */
  subject: string | null
  meaning: string
  data: Readonly<Record<string, Member>>
}

/** Every type, `<noun>.<past participle>`, by room. */
export const EVENTS = {
  // --- access
  'grant.created': {
    subject: 'the subject of the grant',
    meaning: 'A role was granted on an object.',
    data: {
      grant: { is: 'string', meaning: 'id of the grant' },
      role: { is: 'string', meaning: 'the role' },
      object: { is: 'string', meaning: 'the device or group it is granted on, or `*`' },
    },
  },
  'grant.updated': {
    subject: 'the subject of the grant',
    meaning: 'The time in which a grant counts was changed.',
    data: {
      grant: { is: 'string', meaning: 'id of the grant' },
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'grant.deleted': {
    subject: 'the subject of the grant',
    meaning: 'A grant was taken back.',
    data: {
      grant: { is: 'string', meaning: 'id of the grant' },
      role: { is: 'string', meaning: 'the role' },
      object: { is: 'string', meaning: 'the device or group it was granted on, or `*`' },
    },
  },
  'group.created': {
    subject: 'the group',
    meaning: 'A group was made.',
    data: {
      kind: { is: 'string', meaning: 'kind of the group' },
      parent_id: { is: 'string or null', meaning: 'the group above it; null at the top' },
    },
  },
  'group.updated': {
    subject: 'the group',
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
      group_id: { is: 'string', meaning: 'the group' },
      kind: { is: 'string', meaning: 'kind of the member: user, client or device' },
    },
  },
  'group.member_removed': {
    subject: 'the member',
    meaning: 'A principal ceased to be a member of a group.',
    data: {
      group_id: { is: 'string', meaning: 'the group' },
    },
  },
  'groups.changed': {
    subject: 'the member',
    meaning: 'The groups of a principal were set as a whole.',
    data: {
      added: { is: 'strings', meaning: 'groups it is a member of from now on' },
      removed: { is: 'strings', meaning: 'groups it is no longer a member of' },
    },
  },
  'role.created': {
    subject: null,
    meaning: 'A role was made.',
    data: {
      role: { is: 'string', meaning: 'name of the role' },
    },
  },
  'role.updated': {
    subject: null,
    meaning: 'A role was changed.',
    data: {
      role: { is: 'string', meaning: 'name of the role' },
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'role.deleted': {
    subject: null,
    meaning: 'A role was deleted.',
    data: {
      role: { is: 'string', meaning: 'name of the role' },
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
      id: { is: 'string', meaning: 'id of the token' },
      expires_at: { is: 'number', meaning: 'its end, in epoch seconds' },
    },
  },
  'device_token.revoked': {
    subject: 'the device',
    meaning: 'A token that was minted for a device was revoked.',
    data: {
      id: { is: 'string', meaning: 'id of the token' },
    },
  },
  'settings.updated': {
    subject: null,
    meaning: 'Settings were changed or put back to their default.',
    data: {
      names: { is: 'strings', meaning: 'names of the changed settings' },
    },
  },
  // --- devices
  'device.created': {
    subject: 'the device',
    meaning: 'A device was registered.',
    data: {
      type: { is: 'string', meaning: 'its device type' },
      groups: { is: 'strings', meaning: 'groups it is a member of' },
      credentials: { is: 'strings', meaning: 'ids of its credentials' },
    },
  },
  'device.updated': {
    subject: 'the device',
    meaning: 'A device was changed, apart from its status.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
      groups_added: {
        is: 'strings',
        optional: true,
        meaning: 'groups it is a member of from now on',
      },
      groups_removed: {
        is: 'strings',
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
      type: { is: 'string', meaning: 'its device type' },
    },
  },
  'device_credential.created': {
    subject: 'the device',
    meaning: 'A device got a credential.',
    data: {
      credential_id: { is: 'string', meaning: 'id of the credential' },
      kind: { is: 'string', meaning: 'kind of the credential' },
      kid: { is: 'string or null', meaning: '`kid` of its key; null where it has none' },
    },
  },
  'device_credential.revoked': {
    subject: 'the device',
    meaning: 'A credential of a device was revoked.',
    data: {
      credential_id: { is: 'string', meaning: 'id of the credential' },
    },
  },
  'device_type.created': {
    subject: 'the device type',
    meaning: 'A device type was made.',
    data: {},
  },
  'device_type.updated': {
    subject: 'the device type',
    meaning: 'A device type was changed.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
    },
  },
  'device_type.deleted': {
    subject: 'the device type',
    meaning: 'A device type was deleted.',
    data: {},
  },
  // --- identity
  'login.failed': {
    outcome: 'failure',
    subject: 'the user; null for an unknown one',
    meaning: 'A sign-in was refused.',
    data: {
      reason: { is: 'string', meaning: '`unknown_account`, `password` or `disabled`' },
    },
  },
  'login.blocked': {
    outcome: 'failure',
    subject: 'the user; null for an unknown one',
    meaning:
      'Sign-ins of an account or from an address reached their limit; noted once per window.',
    data: {
      reason: { is: 'string', meaning: '`too_many_attempts`' },
    },
  },
  'session.started': {
    subject: 'the user',
    meaning: 'A person signed in.',
    data: {
      amr: { is: 'strings', meaning: 'how the person was authenticated (RFC 8176)' },
    },
  },
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
    meaning: 'A user was changed.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed fields' },
      status: { is: 'string', optional: true, meaning: 'the status, where it is among them' },
    },
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
      kid: { is: 'string', meaning: 'the key' },
      alg: { is: 'string', meaning: 'its algorithm' },
      successor: {
        is: 'string or null',
        meaning: 'the key that signs in its place; null where it did not sign',
      },
    },
  },
  'key.deleted': {
    subject: null,
    meaning: 'A signing key was deleted that SECRET_KEY does not open.',
    data: {
      kid: { is: 'string', meaning: 'the key' },
      alg: { is: 'string', meaning: 'its algorithm' },
    },
  },
  'secrets.resealed': {
    subject: null,
    meaning: 'What an older SECRET_KEY had sealed was sealed with the newest one.',
    data: {
      signing_keys: { is: 'number', meaning: 'how many signing keys' },
      stored_secrets: { is: 'number', meaning: 'how many secrets of the system' },
    },
  },
  // --- oauth
  'authorization.allowed': {
    subject: 'the user',
    meaning: 'A person allowed a client what it asked for.',
    data: {
      client_id: { is: 'string', meaning: 'the client' },
      scope: { is: 'strings', meaning: 'scopes that were allowed' },
      claims: { is: 'strings', optional: true, meaning: 'claims that were allowed one by one' },
      authorization_id: {
        is: 'string',
        optional: true,
        meaning: 'of a device that asked: the authorization that its code leads to',
      },
    },
  },
  'authorization.denied': {
    subject: 'the user',
    meaning: 'A person denied a client what it asked for.',
    data: {
      client_id: { is: 'string', meaning: 'the client' },
      scope: {
        is: 'strings',
        optional: true,
        meaning: 'of a device that asked: scopes it asked for',
      },
      authorization_id: {
        is: 'string',
        optional: true,
        meaning: 'of a device that asked: the authorization that its code would have led to',
      },
    },
  },
  'authorization.created': {
    subject: 'the user',
    meaning: 'A client got its first tokens for a person.',
    data: {
      authorization_id: { is: 'string', meaning: 'id of the authorization' },
      client_id: { is: 'string', meaning: 'the client' },
      scope: { is: 'string', meaning: 'scopes of its tokens' },
    },
  },
  'authorization.refreshed': {
    subject: 'the user',
    meaning: 'A client with a preset, whose refresh token does not rotate, refreshed its tokens.',
    data: {
      authorization_id: { is: 'string', meaning: 'id of the authorization' },
      client_id: { is: 'string', meaning: 'the client' },
    },
  },
  'authorization.revoked': {
    subject: 'the user',
    meaning: 'The tokens of an authorization were revoked.',
    data: {
      authorization_id: { is: 'string', meaning: 'id of the authorization' },
      client_id: { is: 'string', meaning: 'the client' },
      reason: {
        is: 'string',
        meaning:
          '`code_reused`, `refresh_token_reused`, `token_revoked`, `withdrawn` or `session_ended`',
      },
    },
  },
  'authorization.withdrawn': {
    subject: 'the user',
    meaning: 'A person or an operator took back what was allowed.',
    data: {
      client_id: { is: 'string or null', meaning: 'the client; null for all clients' },
    },
  },
  'client.created': {
    subject: 'the client',
    meaning: 'A client was registered.',
    data: {},
  },
  'client.updated': {
    subject: 'the client',
    meaning: 'A client was changed.',
    data: {
      fields: { is: 'strings', meaning: 'names of the changed members' },
    },
  },
  'client.deleted': {
    subject: 'the client',
    meaning: 'A client was deleted; its id stays taken.',
    data: {},
  },
  'client.secret_created': {
    subject: 'the client',
    meaning: 'A client got a secret.',
    data: {
      secret_id: { is: 'string', meaning: 'id of the secret' },
    },
  },
  'client.secret_deleted': {
    subject: 'the client',
    meaning: 'A secret of a client was deleted.',
    data: {
      secret_id: { is: 'string', meaning: 'id of the secret' },
    },
  },
  'device_authorization.blocked': {
    outcome: 'failure',
    subject: 'the user',
    meaning: 'A person, or an address, entered too many wrong user codes; noted once per window.',
    data: {
      reason: { is: 'string', meaning: '`too_many_attempts`' },
    },
  },
  'initial_access_token.created': {
    subject: 'the initial access token',
    meaning: 'An initial access token was made, with which software registers clients.',
    data: {
      scope: { is: 'strings', meaning: 'the most that its clients may have' },
      max_uses: {
        is: 'number or null',
        meaning: 'how many clients it registers; null: any number',
      },
      expires_at: { is: 'number or null', meaning: 'its end, in epoch seconds' },
    },
  },
  'initial_access_token.deleted': {
    subject: 'the initial access token',
    meaning: 'An initial access token was deleted.',
    data: {},
  },
  'logout_token.delivered': {
    subject: 'the user',
    meaning: 'A client took a logout token.',
    data: {
      client_id: { is: 'string', meaning: 'the client' },
      attempts: { is: 'number', meaning: 'how many times it was sent' },
    },
  },
  'logout_token.abandoned': {
    outcome: 'failure',
    subject: 'the user',
    meaning: 'A client did not take a logout token, which is not sent again.',
    data: {
      client_id: { is: 'string', meaning: 'the client' },
      attempts: { is: 'number', meaning: 'how many times it was sent' },
      reason: { is: 'string', meaning: 'why the last attempt failed' },
    },
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>

export type EventType = keyof typeof EVENTS

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

type ValueOf<member> = member extends { is: infer is extends keyof Values } ? Values[is] : never

/** An event to append: one form for each type of the catalogue. */
export type NewEvent = {
  [type in EventType]: { type: type } & ((typeof EVENTS)[type]['subject'] extends null
    ? { subject_id?: null }
    : { subject_id: string | null }) &
    ((typeof EVENTS)[type] extends { outcome: infer outcome }
      ? { outcome: outcome }
      : { outcome?: 'success' }) &
    (keyof MembersOf<type> extends never
      ? { data?: Record<string, never> }
      : { data: EventData<type> })
}[EventType]
