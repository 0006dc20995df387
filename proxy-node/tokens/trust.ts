// Trust in one issuer: its keys, status lists and policies, and what its tokens may reach. mProxy
// has one main issuer. Which of them a token is of is said by its `iss`: verifier.ts.

import { type Jwks, openJwks, type Refresh } from './jwks.ts'
import { openPolicies, type Policies, type PolicyFetch } from './policies.ts'
import type { Keeper } from './state_folder.ts'
import { type ListRefresh, openStatusLists, type StatusLists } from './status_lists.ts'

export type Trust = {
  readonly issuer: string
  readonly audience: string
  readonly jwks: Jwks
  readonly statusLists: StatusLists
  readonly policies: Policies
}

export type TrustOptions = {
  issuer: string
  audience: string
  /** Where the issuer is reached, if not under its name. */
  address: string | undefined
  jwksUri: string | undefined
  keeper: Keeper
  status_age_max_ms: number
  isStatusFailOpen: boolean
  onKeys: (refresh: Refresh) => void
  onList: (refresh: ListRefresh) => void
  onPolicy: (fetch: PolicyFetch) => void
}

/** With what was kept on disk; nothing is asked for before `startTrust`. */
export function openTrust(options: TrustOptions): Trust {
  const { issuer, audience, address, jwksUri, keeper } = options
  // The keys first: what else was kept is judged by them.
  const jwks = openJwks({ issuer, address, jwksUri, keeper, onRefresh: options.onKeys })
  const statusLists = openStatusLists({
    issuer,
    address,
    jwks,
    keeper,
    age_max_ms: options.status_age_max_ms,
    isFailOpen: options.isStatusFailOpen,
    onRefresh: options.onList,
  })
  const policies = openPolicies({ issuer, address, jwks, keeper, onFetch: options.onPolicy })
  return { issuer, audience, jwks, statusLists, policies }
}

export async function startTrust({ jwks, policies }: Trust): Promise<void> {
  await jwks.start()
  await policies.start()
}

export function closeTrust({ jwks, statusLists, policies }: Trust): void {
  statusLists.close()
  policies.close()
  jwks.close()
}
