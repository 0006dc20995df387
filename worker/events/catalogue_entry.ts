// Events: the parts of their catalogue (event_catalogue.ts). This file has the forms of its
// entries: the kinds of values in `data`, and the kinds of things that an event names.
// Tables: none; ../events.ts writes `event` and, through triggers, `event_object`.
// Leaves to each room when an event is appended.

/** The words of the catalogue for the kinds of values in `data`. */
export type Values = {
  string: string
  'string or null': string | null
  number: number
  'number or null': number | null
  strings: readonly string[]
}

/**
 * Kinds of things that an event names, one for each space of ids. Users, clients, devices and
 * groups share one: they are principals.
 */
export const OBJECT_KINDS = [
  'principal',
  'authorization',
  'claim_batch',
  'client_secret',
  'consent',
  'credential',
  'device_ca',
  'device_job',
  'device_type',
  'grant',
  'import_job',
  'initial_access_token',
  'invitation',
  'mail',
  'minted_token',
  'role',
  'setting',
  'signing_key',
] as const

export type ObjectKind = (typeof OBJECT_KINDS)[number]

/** `names`: the value is the id of such a thing (or a list of ids), by which the event is found. */
type Member = { is: keyof Values; optional?: true; names?: ObjectKind; meaning: string }

export type EntryOfCatalogue = {
  /** Absent: `success`. */
  outcome?: 'failure'
  /** The person or thing that `subject_id` names; null: it is null. */
  subject: string | null
  /** Kind of the subject; absent: a principal. */
  subject_is?: ObjectKind
  /** The event says what stood before and after, member by member. Never a secret. */
  changes?: true
  meaning: string
  data: Readonly<Record<string, Member>>
}

/** The value that a member of an entry stands for. */
export type ValueOf<member> = member extends { is: infer is extends keyof Values }
  ? Values[is]
  : never
