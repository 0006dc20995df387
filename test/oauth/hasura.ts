// The way in which Hasura judges a JWT, written from its documentation ("Authentication Using JWT",
// graphql-engine 2): `jwk_url`, `issuer`, `audience` and `claims_map`. Not its code: a second reading of the same rules.
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'

type Mapping = string | string[] | { path: string; default?: string | string[] }

export type HasuraConfig = {
  jwk_url: string
  issuer?: string
  audience?: string | string[]
  claims_map: Record<string, Mapping>
}

/** Algorithms that Hasura verifies with public keys. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA']

export type HasuraSession = {
  role: string
  allowed: string[]
  variables: Record<string, string>
}

/** The session of a request. Throws Error with the reason where Hasura answers with one. */
export async function hasuraSession(
  { jwk_url, issuer, audience, claims_map }: HasuraConfig,
  token: string,
  read: (url: string) => Promise<JSONWebKeySet>,
  { now, role }: { now: number; role?: string },
): Promise<HasuraSession> {
  const keys = createLocalJWKSet(await read(jwk_url))
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ALGORITHMS,
    currentDate: new Date(now * 1000),
  })
  // A JWT without issuer matches any; one with another is refused.
  if (issuer !== undefined && payload.iss !== undefined && payload.iss !== issuer) {
    throw new Error('issuer')
  }
  if (audience !== undefined) {
    const names = [payload.aud ?? []].flat()
    if (![audience].flat().some((one) => names.includes(one))) throw new Error('audience')
  }
  // The names of session variables are case-insensitive.
  const values = new Map(
    Object.entries(claims_map).map(([name, mapping]) => [
      name.toLowerCase(),
      readMapping(payload, mapping),
    ]),
  )
  const allowed = values.get('x-hasura-allowed-roles')
  const first = values.get('x-hasura-default-role')
  if (!isTexts(allowed)) throw new Error('x-hasura-allowed-roles is no list of texts')
  if (typeof first !== 'string') throw new Error('x-hasura-default-role is no text')
  const current = role ?? first
  if (!allowed.includes(current)) throw new Error(`${current} is not in the allowed roles`)
  const variables: Record<string, string> = {}
  for (const [name, value] of values) {
    if (name === 'x-hasura-allowed-roles') continue
    if (typeof value !== 'string') throw new Error(`${name} is no text`)
    variables[name] = value
  }
  return { role: current, allowed, variables }
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')

/** A literal, or the value at a path; where nothing is there, the default. */
function readMapping(payload: JWTPayload, mapping: Mapping): unknown {
  if (typeof mapping === 'string' || Array.isArray(mapping)) return mapping
  return at(payload, mapping.path) ?? mapping.default
}

/** The part of JSONPath that names one place: `$`, `.name`, `['name']`, `[0]`. */
function at(payload: unknown, path: string): unknown {
  if (!/^\$(?:\.[\w-]+|\[\d+\]|\['[^']+'\])*$/.test(path)) throw new Error(`no path: ${path}`)
  let value = payload
  for (const [, dotted, index, quoted] of path.matchAll(/\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]/g)) {
    const key = dotted ?? quoted ?? Number(index)
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, key)
  }
  return value
}
