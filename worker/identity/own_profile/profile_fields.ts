// Fields of a profile as people type them: reading, judging, and the patch that they are. Pure.
import { readProfile } from '../profile.ts'
import type { UserRow } from '../store.ts'
import { type UserPatch, userPatch } from '../users.ts'

/** Names of fields with what was typed; '' for nothing. */
export type TypedFields = readonly (readonly [name: string, value: string])[]

/** The value of a field as it stands; '' for none. */
export function fieldOf(user: Pick<UserRow, 'name' | 'profile'>, name: string): string {
  const fields = new Map<string, unknown>(Object.entries(readProfile(user.profile)))
  const value = name === 'name' ? user.name : fields.get(name)
  return typeof value === 'string' ? value : ''
}

/** Values that were typed into these fields, in the form in which they are kept. */
export const readFields = (
  names: readonly string[],
  values: (name: string) => string | undefined,
): TypedFields => names.map((name) => [name, written(name, values(name) ?? '')] as const)

/** People write numbers of telephones with spaces. */
const written = (name: string, value: string): string =>
  name === 'phone_number' ? value.replaceAll(/[\s().-]/g, '') : value.trim()

/** Names of the fields that cannot be so; one of `required` cannot be empty. */
export const faultyFields = (typed: TypedFields, required: readonly string[]): readonly string[] =>
  typed
    .filter(([name, value]) =>
      value === ''
        ? required.includes(name)
        : !userPatch.safeParse(objectOf([[name, value]])).success,
    )
    .map(([name]) => name)

/** The change of the user. An empty field takes the value away. Throws for a faulty one. */
export const patchOf = (typed: TypedFields): UserPatch => userPatch.parse(objectOf(typed))

function objectOf(typed: TypedFields): Record<string, unknown> {
  const entries = typed.map(([name, value]) => [name, value === '' ? null : value] as const)
  const profile = Object.fromEntries(entries.filter(([name]) => name !== 'name'))
  const own = Object.fromEntries(entries.filter(([name]) => name === 'name'))
  return { ...own, ...(Object.keys(profile).length > 0 ? { profile } : {}) }
}
