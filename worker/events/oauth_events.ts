// The part of the catalogue of events that is about clients and their tokens.
import type { EntryOfCatalogue } from './catalogue_entry.ts'

export const OAUTH_EVENTS = {
  'authorization.allowed': {
    subject: 'the user',
    meaning: 'A person allowed a client what it asked for.',
    data: {
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
      scope: { is: 'strings', meaning: 'scopes that were allowed' },
      claims: { is: 'strings', optional: true, meaning: 'claims that were allowed one by one' },
      authorization_id: {
        is: 'string',
        names: 'authorization',
        optional: true,
        meaning: 'of a device that asked: the authorization that its code leads to',
      },
    },
  },
  'authorization.denied': {
    subject: 'the user',
    meaning: 'A person denied a client what it asked for.',
    data: {
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
      scope: {
        is: 'strings',
        optional: true,
        meaning: 'of a device that asked: scopes it asked for',
      },
      authorization_id: {
        is: 'string',
        names: 'authorization',
        optional: true,
        meaning: 'of a device that asked: the authorization that its code would have led to',
      },
    },
  },
  'authorization.created': {
    subject: 'the user',
    meaning: 'A client got its first tokens for a person.',
    data: {
      authorization_id: {
        is: 'string',
        names: 'authorization',
        meaning: 'id of the authorization',
      },
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
      scope: { is: 'string', meaning: 'scopes of its tokens' },
    },
  },
  'authorization.refreshed': {
    subject: 'the user',
    meaning: 'A client with a preset, whose refresh token does not rotate, refreshed its tokens.',
    data: {
      authorization_id: {
        is: 'string',
        names: 'authorization',
        meaning: 'id of the authorization',
      },
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
    },
  },
  'authorization.revoked': {
    subject: 'the user',
    meaning: 'The tokens of an authorization were revoked.',
    data: {
      authorization_id: {
        is: 'string',
        names: 'authorization',
        meaning: 'id of the authorization',
      },
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
      reason: {
        is: 'string',
        meaning:
          '`code_reused`, `refresh_token_reused`, `token_revoked`, `withdrawn`, `session_ended` or `consent_lapsed`',
      },
    },
  },
  'authorization.withdrawn': {
    subject: 'the user',
    meaning: 'A person or an operator took back what was allowed.',
    data: {
      client_id: {
        is: 'string or null',
        names: 'principal',
        meaning: 'the client; null for all clients',
      },
    },
  },
  'client.created': {
    subject: 'the client',
    meaning: 'A client was registered.',
    data: {},
  },
  'client.updated': {
    subject: 'the client',
    changes: true,
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
      secret_id: { is: 'string', names: 'client_secret', meaning: 'id of the secret' },
    },
  },
  'client.secret_deleted': {
    subject: 'the client',
    meaning: 'A secret of a client was deleted.',
    data: {
      secret_id: { is: 'string', names: 'client_secret', meaning: 'id of the secret' },
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
    subject_is: 'initial_access_token',
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
    subject_is: 'initial_access_token',
    meaning: 'An initial access token was deleted.',
    data: {},
  },
  'token.refused': {
    outcome: 'failure',
    subject: 'the client or device, else the person',
    meaning:
      'A request for a token, or a request with one, was refused. One event for each reason and minute.',
    data: {
      reason: { is: 'string', meaning: 'why, as docs/refusals.md explains it' },
      error: { is: 'string', meaning: 'the error in the answer' },
      count: {
        is: 'number',
        meaning: 'how many times in this minute, as far as they were counted',
      },
      last_at: { is: 'number', meaning: 'when it happened last, in epoch seconds' },
      sub: {
        is: 'string or null',
        names: 'principal',
        meaning: 'whom it was about, where that is another',
      },
    },
  },
  'client_authentication.failed': {
    outcome: 'failure',
    subject: 'the client or device that somebody claimed to be',
    meaning: 'A client or device did not prove who it is. One event for each reason and minute.',
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
  'logout_token.delivered': {
    subject: 'the user',
    meaning: 'A client took a logout token.',
    data: {
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
      attempts: { is: 'number', meaning: 'how many times it was sent' },
    },
  },
  'logout_token.abandoned': {
    outcome: 'failure',
    subject: 'the user',
    meaning: 'A client did not take a logout token, which is not sent again.',
    data: {
      client_id: { is: 'string', names: 'principal', meaning: 'the client' },
      attempts: { is: 'number', meaning: 'how many times it was sent' },
      reason: { is: 'string', meaning: 'why the last attempt failed' },
    },
  },
} as const satisfies Readonly<Record<string, EntryOfCatalogue>>
