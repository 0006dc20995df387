// The choice for each entry of a blueprint: make it, change these members, or leave it. At a start
// what operators changed or deleted stays, and only the file's own changes count; `apply` makes the
// file true. Names that are no longer there take the entries with them that would need them.
import { findTreeFault } from '../access/groups.ts'
import {
  type Blueprint,
  BlueprintFault,
  type Fault,
  findTwice,
  placeOfReference,
  type Reference,
  references,
} from './blueprint_document.ts'
import type { Entry } from './blueprint_entries.ts'
import { type Members, membersToChange } from './blueprint_record.ts'
import {
  faultOf,
  findClaimed,
  findMisplaced,
  isTombstone,
  providedBy,
  wasThere,
} from './blueprint_references.ts'
import type { Standing } from './blueprint_standing.ts'

export type How = {
  /** A start leaves alone what operators changed. */
  atStart: boolean
  /** Whether `apply` makes again what was deleted. */
  recreate: boolean
}

export type Choice = {
  entry: Entry
  does: 'create' | 'change' | 'leave'
  /** The members to plan. */
  members: Members | 'whole'
  /** Members that are left as they are, for a reason; `*` for the whole entry. */
  left: Map<string, string>
}

/** Throws BlueprintFault for faults of the file, whatever operators did. */
export function choose(
  blueprint: Blueprint,
  entries: readonly Entry[],
  standing: Standing,
  how: How,
): Choice[] {
  const choices = new Map<string, Choice>()
  for (const entry of entries) {
    const choice = entry.present === null ? choiceOfAbsent(entry, standing, how) : null
    choices.set(entry.path, choice ?? choiceOfPresent(entry, standing, how))
  }
  const faults = [
    ...findTwice(blueprint),
    ...settleReferences(blueprint, choices, standing, how),
    ...findClaimed(blueprint, standing, (path) => choices.get(path)?.does === 'create'),
    ...settleTree(blueprint, choices, standing, how),
  ]
  if (faults.length > 0) throw new BlueprintFault(faults)
  return [...choices.values()]
}

const leave = (entry: Entry, why: string): Choice => ({
  entry,
  does: 'leave',
  members: {},
  left: new Map([['*', why]]),
})

function choiceOfAbsent(entry: Entry, standing: Standing, { atStart, recreate }: How): Choice {
  const wasRecorded = standing.recorded.has(standing.marks.key(entry.noun, entry.key))
  const isBuried = isTombstone(entry, standing)
  if ((wasRecorded || isBuried) && !recreate) {
    const why = isBuried
      ? 'it was deleted here, and its id is never used again'
      : `it was deleted or renamed here${atStart ? '' : '; --recreate makes it again'}`
    return leave(entry, why)
  }
  const owner = entry.id === null ? undefined : standing.principals.get(entry.id)
  if (atStart && entry.noun === 'users' && owner?.deleted_at === null && owner.kind === 'user') {
    return leave(entry, 'its account has another name here')
  }
  return { entry, does: 'create', members: 'whole', left: new Map() }
}

function choiceOfPresent(entry: Entry, standing: Standing, { atStart }: How): Choice {
  return {
    entry,
    does: 'change',
    members: atStart ? changesOfFile(entry, standing) : 'whole',
    left: new Map(),
  }
}

function changesOfFile(entry: Entry, standing: Standing): Members {
  const row = standing.recorded.get(standing.marks.key(entry.noun, entry.key))
  if (row !== undefined) {
    const { changed, hadPart } = standing.marks.changes(entry, row)
    return membersToChange(entry, entry.present ?? {}, changed, hadPart)
  }
  if (entry.noun !== 'settings') return {}
  // The first time: a setting that has no row was never changed by anybody.
  return Object.fromEntries(
    Object.entries(entry.members).filter(([name]) => !standing.settingNames.has(name)),
  )
}

/** Takes a member out of the choice, or all of an entry that would be new. */
function drop(choice: Choice, member: string, why: string): void {
  choice.left.set(choice.does === 'create' ? '*' : member, why)
  if (choice.does === 'create') {
    choice.does = 'leave'
    choice.members = {}
  } else if (choice.members !== 'whole') {
    choice.members = Object.fromEntries(
      Object.entries(choice.members).filter(([name]) => name !== member),
    )
  }
}

/** Whether the batch would write what refers. */
function isWritten({ entry, does, members }: Choice, { name }: Reference, member: string): boolean {
  if (does === 'leave') return false
  if (members === 'whole') return true
  if (!Object.hasOwn(members, member)) return false
  const before = entry.present?.[member]
  return !Array.isArray(before) || !before.includes(name)
}

function settleReferences(
  blueprint: Blueprint,
  choices: ReadonlyMap<string, Choice>,
  standing: Standing,
  { atStart }: How,
): Fault[] {
  const all = references(blueprint)
  for (;;) {
    const faults: Fault[] = []
    const there = [...choices.values()].filter(({ does }) => does !== 'leave')
    const provided = providedBy(there.map(({ entry }) => entry))
    const left = providedBy(
      [...choices.values()].filter(({ does }) => does === 'leave').map(({ entry }) => entry),
    )
    let isSettled = true
    for (const reference of all) {
      const { entry, member } = placeOfReference(reference)
      const choice = choices.get(entry)
      if (choice === undefined || !isWritten(choice, reference, member)) continue
      const fault = faultOf(reference, provided, standing)
      if (fault === null) continue
      const isGone =
        fault.isAbsent &&
        (wasThere(reference, standing) || faultOf(reference, left, standing) === null)
      if (isGone && (atStart || choice.does === 'create')) {
        drop(choice, member, `it names "${reference.name}", which was deleted here`)
        isSettled = false
      } else {
        faults.push({ path: reference.path, reason: fault.reason })
      }
    }
    if (isSettled) return faults
  }
}

function settleTree(
  { groups }: Blueprint,
  choices: ReadonlyMap<string, Choice>,
  standing: Standing,
  { atStart }: How,
): Fault[] {
  const own = findTreeFault(new Map(groups.map(({ id, parent_id }) => [id, parent_id ?? null])))
  if (own !== null) return [{ path: 'groups', reason: own }]
  for (;;) {
    const parents = groups.flatMap(({ id, parent_id }, i) => {
      const path = `groups[${i}]`
      const choice = choices.get(path)
      if (choice === undefined || choice.does === 'leave') return []
      const moves = choice.members === 'whole' || Object.hasOwn(choice.members, 'parent_id')
      if (standing.tree.has(id) && (!moves || parent_id === undefined)) return []
      return [{ path, id, parent_id: parent_id ?? null }]
    })
    const misplaced = findMisplaced(parents, standing)
    if (misplaced === null) return []
    const choice = choices.get(misplaced.path)
    if (!atStart || choice === undefined) return [{ path: 'groups', reason: misplaced.reason }]
    drop(choice, 'parent_id', misplaced.reason)
  }
}
