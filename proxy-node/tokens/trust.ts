// Trust in one issuer: its keys, status lists and policies, and what its tokens may reach. mProxy
// has one main issuer, and others where the settings name them. Which of them a token is of is said
// by its `iss`: verifier.ts.

import type { ProxyConfig } from '../config.ts'
import { type Jwks, openJwks, type Refresh } from './jwks.ts'
import { openPolicies, type Policies, type PolicyFetch } from './policies.ts'
import type { Keeper } from './state_folder.ts'
import { type ListRefresh, openStatusLists, type StatusLists } from './status_lists.ts'

/** Limits of an issuer that is not the main one. */
export type Bound = {
  readonly client_id_prefix: string
  readonly topics: readonly string[]
}

export type Trust = {
  readonly issuer: string
  readonly audience: string
  readonly jwks: Jwks
  readonly statusLists: StatusLists
  readonly policies: Policies
  /** undefined: it is the main one. */
  readonly bound: Bound | undefined
}

/** Parts that an issuer's memory is joined with: the disk, and those who hear what happens. */
export type TrustParts = {
  keeper: Keeper
  onKeys: (refresh: Refresh) => void
  onList: (refresh: ListRefresh) => void
  onPolicy: (fetch: PolicyFetch) => void
}

export type Trusts = {
  readonly main: Trust
  readonly others: readonly Trust[]
  readonly all: readonly Trust[]
  /** That of a verified token. */
  of(issuer: string): Trust
}

type Settings = Pick<
  ProxyConfig,
  | 'issuer'
  | 'issuerAddress'
  | 'jwksUri'
  | 'audience'
  | 'foreignIssuers'
  | 'statusMaxAge'
  | 'statusFailOpen'
>

/** With what was kept on disk; nothing is asked for before `startTrust`. */
export function openTrusts(
  config: Settings,
  partsOf: (issuer: string, isMain: boolean) => TrustParts,
): Trusts {
  const open = (
    {
      issuer,
      issuerAddress: address,
      jwksUri,
    }: Pick<Settings, 'issuer' | 'issuerAddress' | 'jwksUri'>,
    audience: string,
    bound: Bound | undefined,
  ): Trust => {
    const { keeper, onKeys, onList, onPolicy } = partsOf(issuer, bound === undefined)
    // The keys first: what else was kept is judged by them.
    const jwks = openJwks({ issuer, address, jwksUri, keeper, onRefresh: onKeys })
    const statusLists = openStatusLists({
      issuer,
      address,
      jwks,
      keeper,
      age_max_ms: config.statusMaxAge,
      isFailOpen: config.statusFailOpen,
      onRefresh: onList,
    })
    const policies = openPolicies({ issuer, address, jwks, keeper, onFetch: onPolicy })
    return { issuer, audience, jwks, statusLists, policies, bound }
  }
  const main = open(config, config.audience, undefined)
  const others = config.foreignIssuers.map((one) => open(one, one.audience ?? config.audience, one))
  const byIssuer = new Map(others.map((one) => [one.issuer, one]))
  return {
    main,
    others,
    all: [main, ...others],
    of: (issuer) => byIssuer.get(issuer) ?? main,
  }
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
