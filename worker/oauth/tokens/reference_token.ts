// A small access token for a device: it names the rules of its type by their hash instead of
// listing them in `acl`. It is for mProxy alone; here introspection and revocation know it too, and
// whoever else is sent one refuses it. Its claims are as few and as short as they can be, since
// modems keep passwords short.
import type { PolicyPlace } from '../../../policy/templates.ts'
import { placesByReference } from '../../access/acl_claim.ts'
import type { RightsRows } from '../../access/rights.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { type Signed, signJwt, verifyJwt } from '../../keys/jwt.ts'
import { placeOfClaim, type StatusClaim, type StatusPlace } from '../../status/entry_store.ts'

const REFERENCE_TYPE = 'atr+jwt'

/** The audience of such a token where it names none. */
const USUAL_AUDIENCE = 'urn:allauth:mqtt'

export type PolicyReference = {
  /** Of the templates, as the policy document has them. */
  sha256: string
  places: readonly PolicyPlace[]
}

/** The reference of a token of a device with these rights; null: it needs `acl`. */
export function policyReference(rows: RightsRows): PolicyReference | null {
  const places = placesByReference(rows)
  const content = rows.ownDevice[0]?.type_acl ?? null
  return places === null || content === null ? null : { sha256: sha256(content), places }
}

/**
 * `acl_ref` is the hash, which is also the last part of the document's address. `entry` is list and
 * index of `status`; `places` has a group, and its site where it has one.
 */
export function signReferenceToken(
  cx: Context,
  claims: { sub: string; exp: number; mqtt_client_id?: string; status?: StatusClaim },
  { sha256: acl_ref, places }: PolicyReference,
): Promise<Signed> {
  const { sub, exp, mqtt_client_id } = claims
  const entry = placeOfClaim(cx, claims.status)
  const { mqtt_audience } = cx.config
  return signJwt(cx, 'ES256', REFERENCE_TYPE, {
    sub,
    ...(mqtt_audience === USUAL_AUDIENCE ? {} : { aud: mqtt_audience }),
    exp,
    ...(mqtt_client_id === undefined ? {} : { mqtt_client_id }),
    ...(entry === null ? {} : { entry: [entry.list, entry.idx] }),
    acl_ref,
    ...(places.length === 0
      ? {}
      : { places: places.map(({ group, site }) => (site === null ? [group] : [group, site])) }),
  })
}

/** A small token after reading: good by signature, issuer and time, not yet by state. */
export type ReadReference = {
  sub: string
  exp: number
  audience: readonly [string]
  status: StatusPlace | null
  claims: Readonly<Record<string, unknown>>
}

/** Null for anything else. */
export async function readReferenceToken(
  cx: Context,
  token: string,
): Promise<ReadReference | null> {
  const claims = await verifyJwt(cx, token, { typ: REFERENCE_TYPE, lacksIat: true })
  if (claims === null) return null
  const { sub, exp, aud } = claims
  if (sub === undefined || exp === undefined) return null
  const [list, idx] = (claims['entry'] as [number, number] | undefined) ?? []
  const status = list === undefined || idx === undefined ? null : { list, idx }
  const audience = [typeof aud === 'string' ? aud : USUAL_AUDIENCE] as const
  return { sub, exp, audience, status, claims: { ...claims, typ: REFERENCE_TYPE } }
}
