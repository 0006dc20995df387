// Guards of what ends: tokens, offers, links, jobs.
import type { Guard } from './guards.ts'

export const ENDS: readonly Guard[] = [
  {
    name: 'scope-outlives-role',
    attack:
      'a token for /v1 that goes on when the role has ended by which its person had the scope',
    file: 'worker/oauth/tokens/entitlement.ts',
    from: '...scope.map((one) => heldUntil(parties, one)),',
    to: '',
    test: 'oauth/token/token_ends',
    title: 'the management API',
  },
  {
    name: 'details-outlive-role',
    attack: 'authorization_details in a token for a service, when the role behind them has ended',
    file: 'worker/oauth/tokens/entitlement.ts',
    from: 'narrowed === undefined ? Infinity : narrowingsEnd(details ?? [], narrowed),',
    to: 'Infinity,',
    test: 'oauth/token/token_ends',
    title: 'a service, with details',
  },
  {
    name: 'claims-outlive-role',
    attack: 'a service that reads a role in a token when the role has ended',
    file: 'worker/oauth/authorizations/authorizations.ts',
    from: 'earliest(content.not_after, until, accessTokenRightsEnd(told, claimRows))',
    to: 'earliest(content.not_after, until)',
    test: 'oauth/token/token_ends',
    title: 'with roles',
  },
  {
    name: 'denial-begins-late',
    attack: 'a denial from 14:00 that a token of 13:50 does not know',
    file: 'worker/access/acl_claim.ts',
    from: 'rows.comingDenial[0]?.begins_at ?? null',
    to: 'null',
    test: 'oauth/token/token_ends',
    title: 'when a denial',
  },
  {
    name: 'credential-outlived',
    attack: 'an installer who fetches a token by a device key one second before the key ends',
    file: 'worker/oauth/token/grants/client_credentials.ts',
    from: 'not_after: earliest(entitled.not_after, until),\n  })\n}\n\n/**\n * Whether a device',
    to: 'not_after: entitled.not_after,\n  })\n}\n\n/**\n * Whether a device',
    test: 'oauth/token/token_ends',
    title: 'ends with its credential',
  },
]
