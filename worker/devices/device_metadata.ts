// Metadata of devices: texts, or whatever the JSON Schema of their type allows. Templates of rules
// read texts alone, and a value of another kind is void there. The validator is loaded with the
// first type that has a schema.
import { lineSchema, z } from '../api.ts'
import { type FieldError, Problem } from '../errors.ts'
import { isObject } from '../http.ts'
import { mergePatch, nestsWithin } from '../identity/metadata.ts'

export type Metadata = Record<string, unknown>

export const MAX_METADATA = 50

/** Longest metadata of a device, and longest schema of a type, in characters of JSON. */
const SIZE_MAX = 16_384
const DEPTH_MAX = 8

export const metadataKey = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . - after a letter')

const sizedValue = (schema: z.ZodType) =>
  schema
    .refine((value) => nestsWithin(value, DEPTH_MAX), `must not nest deeper than ${DEPTH_MAX}`)
    .refine(
      (value) => !nestsWithin(value, DEPTH_MAX) || (JSON.stringify(value)?.length ?? 0) <= SIZE_MAX,
      `must not exceed ${SIZE_MAX} characters of JSON`,
    )

/** A text; with fields of its type also a number, a boolean, an array or an object. */
export const metadataValue = z.union([
  lineSchema(500).or(z.literal('')),
  z.number(),
  z.boolean(),
  sizedValue(z.array(z.unknown())),
  sizedValue(z.record(z.string().max(100), z.unknown())),
])

export const deviceMetadataSchema = z
  .record(metadataKey, metadataValue)
  .refine((all) => Object.keys(all).length <= MAX_METADATA, `at most ${MAX_METADATA} members`)

/** The metadata after a merge patch (RFC 7396). */
export const mergedMetadata = (before: Metadata, patch: Metadata | undefined): Metadata =>
  mergePatch(before, patch ?? {})

/** The merge patch that makes one value of another. */
export function patchBetween(before: Metadata, after: Metadata): Metadata {
  const patch: [string, unknown][] = Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .map((name) => [name, null])
  for (const [name, value] of Object.entries(after)) {
    const former = Object.hasOwn(before, name) ? before[name] : undefined
    if (isObject(former) && isObject(value)) {
      const inner = patchBetween(former, value)
      if (Object.keys(inner).length > 0) patch.push([name, inner])
    } else if (!isSame(former, value)) patch.push([name, value])
  }
  return Object.fromEntries(patch)
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/**
 * Throws Problem for metadata that are too large, or that the type does not allow. `fields` is the
 * JSON Schema of the type, as it is stored.
 */
export async function assertMetadata(metadata: Metadata, fields: string | null): Promise<void> {
  const refuse = (errors: FieldError[]) => {
    throw new Problem('invalid_request', 'the metadata are not those of the device type', errors)
  }
  const names = Object.keys(metadata)
  if (names.length > MAX_METADATA) {
    throw new Problem('invalid_request', 'there is too much metadata', [
      { pointer: '/metadata', detail: `at most ${MAX_METADATA} members` },
    ])
  }
  if (JSON.stringify(metadata).length > SIZE_MAX) {
    throw new Problem('invalid_request', 'there is too much metadata', [
      { pointer: '/metadata', detail: `must not exceed ${SIZE_MAX} characters of JSON` },
    ])
  }
  if (fields === null) {
    const strange = names.filter((name) => typeof metadata[name] !== 'string')
    if (strange.length === 0) return
    const detail = 'must be a text, since the device type has no fields'
    return refuse(strange.map((name) => ({ pointer: `/metadata/${name}`, detail })))
  }
  const errors = (await faultsOf(JSON.parse(fields), metadata)).slice(0, 20)
  if (errors.length > 0) refuse(errors)
}

async function faultsOf(schema: object, value: unknown): Promise<FieldError[]> {
  const { Validator } = await import('@cfworker/json-schema')
  const { errors } = new Validator(schema, '2020-12', false).validate(value)
  // An applicator such as `properties` repeats the fault of a part.
  const depthOf = (location: string) => location.split('/').length
  const deepest = errors.filter(
    ({ keyword, instanceLocation }) =>
      !['properties', 'items', 'allOf', '$ref'].includes(keyword) ||
      !errors.some((one) => depthOf(one.instanceLocation) > depthOf(instanceLocation)),
  )
  return deepest.map(({ instanceLocation, error }) => ({
    pointer: `/metadata${instanceLocation.slice(1)}`,
    detail: error,
  }))
}

// --- the schema of a type ---------------------------------------------------------------------

/** A group that repeats and is repeated: such a pattern may take for ever. */
const REPEATED_REPEAT = /\([^()]*[+*}][^()]*\)\s*[+*{]/

/**
 * The member `fields` of a type. References lead to the schema itself alone, so that nothing is
 * fetched, and no pattern repeats a repetition.
 */
export const fieldsSchema = z
  .record(z.string(), z.unknown())
  .refine((schema) => nestsWithin(schema, 16), 'must not nest deeper than 16')
  .refine(
    (schema) => !nestsWithin(schema, 16) || JSON.stringify(schema).length <= SIZE_MAX,
    `must not exceed ${SIZE_MAX} characters of JSON`,
  )
  .openapi({ description: 'JSON Schema (2020-12) of the metadata of devices of this type.' })

/** Throws Problem for a schema by which nothing could be judged. */
export async function assertFields(fields: Metadata | null | undefined): Promise<void> {
  if (fields === null || fields === undefined) return
  const refuse = (detail: string): never => {
    throw new Problem('invalid_request', 'the schema of the metadata cannot be used', [
      { pointer: '/fields', detail },
    ])
  }
  for (const { name, value } of membersOf(fields)) {
    if (name === '$ref' && !leadsWithin(fields, value)) {
      refuse('a $ref must lead to a part of this schema: #/$defs/NAME')
    }
    if (name === '$id' || name === '$schema') refuse(`leave out ${name}: it is JSON Schema 2020-12`)
    const patterns =
      name === 'pattern' ? [value] : name === 'patternProperties' ? Object.keys(value ?? {}) : []
    for (const pattern of patterns) {
      if (typeof pattern !== 'string' || REPEATED_REPEAT.test(pattern) || pattern.length > 200) {
        refuse('a pattern has at most 200 characters and repeats no group that repeats')
      }
    }
  }
  try {
    const { type } = fields
    if (type !== undefined && type !== 'object') refuse('its type must be object')
    await faultsOf(fields, {})
    for (const { name, value } of membersOf(fields)) {
      if (name === 'pattern') new RegExp(String(value), 'u')
    }
  } catch (error) {
    if (error instanceof Problem) throw error
    refuse('is no JSON Schema that can be read, or names a part that is not there')
  }
}

/** Whether a reference is a JSON Pointer (RFC 6901) to something that is there. */
function leadsWithin(schema: Metadata, reference: unknown): boolean {
  if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference)) return false
  let place: unknown = schema
  for (const part of reference.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isObject(place) || !Object.hasOwn(place, name)) return false
    place = place[name]
  }
  return isObject(place)
}

/** Every member at every depth. */
function* membersOf(value: unknown): Generator<{ name: string; value: unknown }> {
  if (Array.isArray(value)) {
    for (const one of value) yield* membersOf(one)
  } else if (isObject(value)) {
    for (const [name, one] of Object.entries(value)) {
      yield { name, value: one }
      yield* membersOf(one)
    }
  }
}
