// A small token of a device (`typ: atr+jwt`): it names the rules of its type by their hash, and
// holds the values that these need. Its claims are short forms of those of an access token.

import { type Acl, parseAcl } from '../../policy/acl.ts'
import { boundRules } from '../../policy/bounded_rules.ts'
import { fillPolicy, type PolicyPlace } from '../../policy/templates.ts'
import type { Policies } from './policies.ts'

const HASH = /^[A-Za-z0-9_-]{43}$/
/** The audience of a token that names none. */
export const USUAL_AUDIENCE = 'urn:allauth:mqtt'

/** The hash that a small token names, or null. */
export const policyOf = ({ acl_ref }: Record<string, unknown>): string | null =>
  typeof acl_ref === 'string' && HASH.test(acl_ref) ? acl_ref : null

/**
 * The claims of an access token that a small one stands for, with the rules filled in; null when
 * they cannot be understood. `bound` are the topics that the issuer's rules are kept within.
 */
export function expandClaims(
  claims: Record<string, unknown>,
  policies: Pick<Policies, 'find'>,
  bound?: readonly string[],
): { claims: Record<string, unknown>; acl: Acl } | null {
  const { iss, sub, aud, exp, entry, mqtt_client_id, cnf } = claims
  const templates = policies.find(policyOf(claims) ?? '')
  const places = readPlaces(claims['places'])
  if (templates === undefined || places === null || typeof sub !== 'string') return null
  if (mqtt_client_id !== undefined && typeof mqtt_client_id !== 'string') return null
  const client_id = mqtt_client_id ?? null
  const filled = fillPolicy(templates, { device: sub, client_id, places })
  const rules = filled === null || bound === undefined ? filled : boundRules(filled, bound)
  const reading = rules === null ? null : parseAcl(rules)
  const status = expandEntry(entry, iss)
  if (reading === null || 'fault' in reading || status === null) return null
  return {
    claims: {
      iss,
      sub,
      client_id: sub,
      aud: aud ?? USUAL_AUDIENCE,
      exp,
      ...(mqtt_client_id === undefined ? {} : { mqtt_client_id }),
      ...(cnf === undefined ? {} : { cnf }),
      ...status,
    },
    acl: reading.acl,
  }
}

function readPlaces(value: unknown): PolicyPlace[] | null {
  if (value === undefined) return []
  if (!Array.isArray(value)) return null
  const places: PolicyPlace[] = []
  for (const one of value as unknown[]) {
    if (!Array.isArray(one) || one.length > 2) return null
    const [group, site = null] = one as unknown[]
    if (typeof group !== 'string' || !(site === null || typeof site === 'string')) return null
    places.push({ group, site })
  }
  return places
}

/** `[list, index]` as the claim `status`. */
function expandEntry(entry: unknown, iss: unknown): Record<string, unknown> | null {
  if (entry === undefined) return {}
  if (!Array.isArray(entry) || entry.length !== 2) return null
  const [list, idx] = entry as unknown[]
  if (typeof list !== 'number' || !Number.isSafeInteger(list) || list < 0) return null
  return { status: { status_list: { idx, uri: `${iss}/status-lists/${list}` } } }
}
