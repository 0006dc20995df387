// Metadata of a user: a JSON object of operators' own, of bounded size and depth. Pure.
import { z } from '../api.ts'
import { Problem } from '../errors.ts'
import { isObject } from '../http.ts'

const METADATA_MAX = 16_384
const METADATA_DEPTH = 8

export const metadataSchema = z
  .record(z.string().max(100), z.unknown())
  .refine(
    (value) => nestsWithin(value, METADATA_DEPTH),
    `must not nest deeper than ${METADATA_DEPTH}`,
  )
  .refine(
    (value) => !nestsWithin(value, METADATA_DEPTH) || JSON.stringify(value).length <= METADATA_MAX,
    `must not exceed ${METADATA_MAX} characters of JSON`,
  )

/**
 * The stored metadata after a merge patch, or with others in its place. Throws Problem where it
 * would become too large.
 */
export function writeMetadata(
  stored: string,
  metadata: Record<string, unknown>,
  how: 'merge' | 'replace',
): string {
  const text = JSON.stringify(how === 'merge' ? mergePatch(JSON.parse(stored), metadata) : metadata)
  if (text.length > METADATA_MAX) {
    throw new Problem('invalid_request', 'the metadata would become too large', [
      { pointer: '/metadata', detail: `must not exceed ${METADATA_MAX} characters of JSON` },
    ])
  }
  return text
}

/** RFC 7396 §2. Built from entries, so that a member named `__proto__` is a member like others. */
export function mergePatch(
  target: unknown,
  patch: Record<string, unknown>,
): Record<string, unknown> {
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(value) ? mergePatch(merged.get(name), value) : value)
  }
  return Object.fromEntries(merged)
}

/** Whether the value nests at most `left` levels. */
export function nestsWithin(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return left > 0 && Object.values(value).every((inner) => nestsWithin(inner, left - 1))
}
