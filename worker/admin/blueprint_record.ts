// The record of what blueprints said, by which a start tells what the file changed from what
// operators changed. It holds HMACs under a stored secret, so that it gives nothing away and a new
// SECRET_KEY changes nothing; of passwords and secrets, which count at creation only, it holds
// nothing at all.
import { hmacSha256 } from '../crypto.ts'
import { isObject } from '../http.ts'
import type { Noun } from './blueprint_document.ts'
import type { RecordedEntry } from './blueprint_store.ts'

/** Name of the stored secret. */
export const RECORD_SECRET = 'blueprint'

export type Members = Readonly<Record<string, unknown>>

/** An entry as the record knows it. */
export type Recordable = { noun: Noun | 'settings'; key: string; members: Members }

const CREATION_ONLY: readonly string[] = ['password', 'client_secret']

/**
 * Members of which each part counts by itself: a key of an object, an element of a set. So an
 * operator's group stays when the file adds another one.
 */
const IN_PARTS: Readonly<Record<string, readonly string[]>> = {
  users: ['metadata', 'profile', 'groups'],
  devices: ['metadata', 'groups'],
}

export const isInParts = (noun: string, name: string): boolean =>
  IN_PARTS[noun]?.includes(name) ?? false

export const partOf = (name: string, part: string): string => `${name}/${part}`

/** The member that a part belongs to. */
const memberOf = (part: string): string => part.split('/', 1).join()

/** Everything of an entry that counts by itself: members, and parts as `metadata/floor`. */
function partsOf({ noun, members }: Recordable): Map<string, unknown> {
  const parts = new Map<string, unknown>()
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined || CREATION_ONLY.includes(name)) continue
    if (!isInParts(noun, name)) parts.set(name, name === 'credentials' ? secretless(value) : value)
    else if (Array.isArray(value)) for (const one of value) parts.set(partOf(name, one), true)
    else if (isObject(value)) {
      for (const [part, one] of Object.entries(value)) parts.set(partOf(name, part), one)
    }
  }
  return parts
}

const secretless = (credentials: unknown): unknown =>
  Array.isArray(credentials)
    ? credentials.map(({ secret: _, ...rest }: Record<string, unknown>) => rest)
    : credentials

/** JSON in which the members of an object have one order, whatever that of the file. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, one) =>
    isObject(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )

export const isSameValue = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b)

/** The HMACs of one record, all under one secret. */
export class Marks {
  readonly #secret: Uint8Array
  readonly #keys = new Map<string, string>()
  readonly #entries = new WeakMap<Recordable, string>()

  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  #mark(...words: unknown[]): string {
    // 132 bits: enough to tell values apart, and half the space.
    return hmacSha256(this.#secret, canonical(words)).slice(0, 22)
  }

  key(noun: string, key: string): string {
    const name = `${noun} ${key}`
    const mark = this.#keys.get(name) ?? this.#mark(noun, key)
    this.#keys.set(name, mark)
    return mark
  }

  entry(entry: Recordable): string {
    const parts = () => Object.fromEntries(partsOf(entry))
    const mark = this.#entries.get(entry) ?? this.#mark(entry.noun, entry.key, parts())
    this.#entries.set(entry, mark)
    return mark
  }

  /** The part as the record names it: words of the schema in clear, those of the file not. */
  #name({ noun, key }: Recordable, part: string): string {
    const member = memberOf(part)
    return member === part ? part : partOf(member, this.#mark(noun, key, part))
  }

  /** The row of an entry. Of the parts of `except` it keeps what the row before had. */
  row(entry: Recordable, before: RecordedEntry | undefined, except: ReadonlySet<string>) {
    const old = partsOfRow(before)
    const members: [string, string][] = []
    for (const [part, value] of partsOf(entry)) {
      const name = this.#name(entry, part)
      const isLeft = except.has(part) || except.has(memberOf(part))
      const mark = isLeft ? old.get(name) : this.#mark(entry.noun, entry.key, part, value)
      if (mark !== undefined) members.push([name, mark])
    }
    return {
      key: this.key(entry.noun, entry.key),
      entry: except.size === 0 ? this.entry(entry) : '',
      members: JSON.stringify(Object.fromEntries(members)),
      before: before?.rid ?? null,
    }
  }

  /**
   * The parts that the file changed since the row was written, the members in which it changed
   * anything, and whether it had a part then.
   */
  changes(entry: Recordable, row: RecordedEntry) {
    const unchanged = row.entry === this.entry(entry)
    const old = partsOfRow(row)
    const gone = new Set(unchanged ? [] : old.keys())
    const changed = new Set<string>()
    for (const [part, value] of unchanged ? [] : partsOf(entry)) {
      const name = this.#name(entry, part)
      gone.delete(name)
      if (old.get(name) !== this.#mark(entry.noun, entry.key, part, value)) changed.add(part)
    }
    return {
      changed,
      members: new Set([...changed, ...gone].map(memberOf)),
      hadPart: (part: string) => old.has(this.#name(entry, part)),
    }
  }
}

const partsOfRow = (row: RecordedEntry | undefined): Map<string, string> =>
  new Map(Object.entries(JSON.parse(row?.members ?? '{}') as Record<string, string>))

/**
 * What the file changed, on top of what stands now: the members to plan. A part that operators
 * added stays, one that the file named and names no longer goes, one that operators took away does
 * not come back.
 */
export function membersToChange(
  { noun, members }: Recordable,
  present: Members,
  changed: ReadonlySet<string>,
  hadPart: (part: string) => boolean,
): Members {
  const wanted: [string, unknown][] = []
  for (const [name, value] of Object.entries(members)) {
    const isChanged = (part: string) => changed.has(partOf(name, part))
    if (!isInParts(noun, name)) {
      if (changed.has(name)) wanted.push([name, value])
    } else if (Array.isArray(value)) {
      const before = Array.isArray(present[name]) ? present[name] : []
      const kept = before.filter((one) => value.includes(one) || !hadPart(partOf(name, one)))
      const added = value.filter((one) => isChanged(one) && !before.includes(one))
      if (kept.length < before.length || added.length > 0) wanted.push([name, [...kept, ...added]])
    } else if (isObject(value)) {
      const before = Object.entries(isObject(present[name]) ? present[name] : {})
      const kept = before.filter(
        ([part]) => Object.hasOwn(value, part) || !hadPart(partOf(name, part)),
      )
      const set = Object.entries(value).filter(([part]) => isChanged(part))
      if (kept.length < before.length || set.length > 0) {
        wanted.push([name, Object.fromEntries([...kept, ...set])])
      }
    }
  }
  return Object.fromEntries(wanted)
}
