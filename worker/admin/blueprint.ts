// The blueprint: the things that should exist, as one value. It is read whole, checked whole, then
// written in one batch: a fault anywhere applies nothing, and a second run changes nothing. Each
// room says what an entry may contain and what it changes. Files beside: blueprint_document.ts (the
// file), blueprint_standing.ts (the database), blueprint_entries.ts (both together),
// blueprint_choice.ts (what is made, changed or left), blueprint_record.ts (what was applied),
// blueprint_width.ts (rights that fit into no token).
import type { NamedRights } from '../access/preview/many_rights.ts'
import type { Plan } from '../api.ts'
import type { Context } from '../context.ts'
import { BatchRefused, ConstraintViolation } from '../db/database.ts'
import type { Statement } from '../db/sql.ts'
import { refusalOf } from '../devices/refusals.ts'
import { Problem } from '../errors.ts'
import type { Settings } from '../settings.ts'
import { type Choice, choose, type How } from './blueprint_choice.ts'
import { type Blueprint, BlueprintFault, type Fault, readBlueprint } from './blueprint_document.ts'
import { type Entry, entriesOf } from './blueprint_entries.ts'
import { isSameValue } from './blueprint_record.ts'
import { readStanding, type Standing } from './blueprint_standing.ts'
import { demandRecordedBefore, type NewRecordedEntry, recordEntries } from './blueprint_store.ts'
import { readOfWidth, warningsOf } from './blueprint_width.ts'
import { type SettingsPatch, settingsAfter } from './settings_change.ts'

export type Applied = {
  /** One line for each thing that is made or changed. */
  changes: readonly string[]
  /** One line for each thing, or members of one, that stay other than the file says. */
  left: readonly string[]
  /** One line for each who gets no token by what was written; absent where that is nobody. */
  warnings?: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Makes the file true, what operators changed included; what they deleted only with `recreate`.
 * `show` gets the lines before anything is written; with `dryRun` nothing is. `env` fills
 * `${NAME}`. Throws BlueprintFault. Round trips: 1 read, 1 write.
 */
export async function applyBlueprint(
  cx: Context,
  document: unknown,
  env: Environment,
  {
    dryRun = false,
    recreate = false,
    show = () => {},
  }: { dryRun?: boolean; recreate?: boolean; show?: (applied: Applied) => void } = {},
): Promise<Applied> {
  const blueprint = readBlueprint(document, env)
  const work = await plan(cx, blueprint, { atStart: false, recreate })
  show(work.applied)
  if (dryRun) return work.applied
  const written = await write(cx, work)
  if ('applied' in written) return written.applied
  const reason = `${written.refused} (changed by somebody else meanwhile; apply again)`
  throw new BlueprintFault([{ path: 'the database', reason }])
}

const ATTEMPTS = 5

/**
 * Applies a blueprint at a start: makes what never was, changes what the file changed since it was
 * last applied, and leaves alone what operators changed or deleted. Of instances that start at once
 * one writes, and the others look again. Throws BlueprintFault. Round trips: 1 read, 1 write.
 */
export async function startBlueprint(
  cx: Context,
  document: unknown,
  env: Environment,
): Promise<Applied> {
  const blueprint = readBlueprint(document, env)
  for (let attempt = 1; ; attempt++) {
    const work = await plan(cx, blueprint, { atStart: true, recreate: false })
    const written = await write(cx, work)
    if ('applied' in written) return written.applied
    if (attempt < ATTEMPTS) continue
    throw new BlueprintFault([{ path: 'the database', reason: written.refused }])
  }
}

type Work = {
  applied: Applied
  plans: readonly Plan[]
  rows: readonly NewRecordedEntry[]
  standing: Standing
  look: Statement<NamedRights> | null
  acl_max_rules: number
}

async function plan(cx: Context, blueprint: Blueprint, how: How): Promise<Work> {
  const standing = await readStanding(cx, blueprint)
  const choices = choose(blueprint, entriesOf(cx, blueprint, standing), standing, how)
  const coming = settingsComing(blueprint, choices, standing)
  const faults: Fault[] = []
  const planned: { choice: Choice; plan: Plan }[] = []
  for (const choice of choices) {
    if (choice.does === 'leave') continue
    const done = await planChoice(choice, how, coming)
    if (done instanceof Problem) faults.push(...faultsOf(choice.entry, done))
    else planned.push({ choice, plan: done })
  }
  if (faults.length > 0) throw new BlueprintFault(faults)
  if (how.atStart) for (const { choice } of planned) await noteEdits(choice, coming)
  return {
    applied: {
      changes: planned.flatMap((one) => describeChange(one, standing, how)),
      left: choices.flatMap(describeLeft),
    },
    plans: planned.map((one) => one.plan),
    rows: planned.flatMap(({ choice }) => rowOf(choice, standing)),
    standing,
    look: readOfWidth(
      cx,
      blueprint,
      new Map(planned.map((one) => [one.choice.entry.path, one.plan])),
      standing,
    ),
    acl_max_rules: coming.acl_max_rules,
  }
}

/** The settings as this batch leaves them, by which entries are judged. */
function settingsComing(
  { settings }: Blueprint,
  choices: readonly Choice[],
  standing: Standing,
): Settings {
  const members = choices.find(({ entry }) => entry.noun === 'settings')?.members ?? {}
  const patch = members === 'whole' ? settings : members
  return settingsAfter(patch as SettingsPatch, standing.settings)
}

const NOTHING: Plan = { change: 'unchanged', fields: [], statements: [] }

/** The plan, or the Problem that is the file's fault. */
async function planChoice(
  choice: Choice,
  { atStart }: How,
  coming: Settings,
): Promise<Plan | Problem> {
  const { entry, does, members } = choice
  if (members !== 'whole' && Object.keys(members).length === 0) return NOTHING
  const done = await problemOf(entry.plan(members, coming))
  if (!(done instanceof Problem) || !atStart || does === 'create') return done
  // A file that is right by itself meets what operators did: that stays, and the start goes on.
  if ((await problemOf(entry.planAlone(coming))) instanceof Problem) return done
  for (const name of Object.keys(members)) choice.left.set(name, sentenceOf(done))
  return NOTHING
}

async function problemOf(work: Promise<Plan>): Promise<Plan | Problem> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

const sentenceOf = ({ detail, errors }: Problem): string =>
  [detail, ...errors.map((one) => one.detail)].join(': ')

function faultsOf({ path }: Entry, { detail, errors }: Problem): Fault[] {
  if (errors.length === 0) return [{ path, reason: detail }]
  return errors.map((one) => ({
    path: path + one.pointer.replaceAll('/', '.'),
    reason: one.detail,
  }))
}

const KEPT = 'kept as it is here'

/** Notes the members that stand otherwise than the file says and that the plan leaves so. */
async function noteEdits(choice: Choice, coming: Settings): Promise<void> {
  const { entry, does, members, left } = choice
  if (does === 'create' || members === 'whole') return
  const whole = await problemOf(entry.plan('whole', coming))
  if (whole instanceof Problem) {
    if (left.size === 0) left.set('', sentenceOf(whole))
    return
  }
  for (const name of whole.fields) {
    const isPlanned = Object.hasOwn(members, name) && isSame(members[name], entry.members[name])
    if (!isPlanned && !left.has(name)) left.set(name, KEPT)
  }
}

const isSame = (a: unknown, b: unknown): boolean => {
  const inOrder = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value)
  return isSameValue(inOrder(a), inOrder(b))
}

/** The row of the record that an entry gets, unless it has it. Parts that were left keep theirs. */
function rowOf({ entry, left }: Choice, { marks, recorded }: Standing): NewRecordedEntry[] {
  const before = recorded.get(marks.key(entry.noun, entry.key))
  if (Object.keys(entry.members).length === 0) return []
  const refused = [...left].flatMap(([name, why]) => (name === '' || why === KEPT ? [] : name))
  if (refused.length === 0 && before?.entry === marks.entry(entry)) return []
  const row = marks.row(entry, before, new Set(refused))
  return before?.entry === row.entry && before.members === row.members ? [] : [row]
}

function describeChange(
  { choice: { entry, members }, plan: { change, fields } }: { choice: Choice; plan: Plan },
  { marks, recorded }: Standing,
  { atStart }: How,
): string[] {
  if (change === 'unchanged') return []
  if (change === 'created') return [`created ${entry.name}`]
  const line = `updated ${entry.name} (${fields.join(', ')})`
  const row = recorded.get(marks.key(entry.noun, entry.key))
  if (atStart || members !== 'whole' || row === undefined) return [line]
  const byFile = marks.changes(entry, row).members
  const undone = fields.filter((name) => !byFile.has(name))
  return undone.length === 0
    ? [line]
    : [`${line}; undoes what was changed here: ${undone.join(', ')}`]
}

function describeLeft({ entry, left }: Choice): string[] {
  const reasons = Map.groupBy(left, ([, why]) => why)
  return [...reasons].map(([why, names]) => {
    const members = names.map(([name]) => name).filter((name) => name !== '*' && name !== '')
    const of = members.length === 0 ? '' : ` (${members.join(', ')})`
    return `left ${entry.name}${of}: ${why}`
  })
}

/** The report of a batch that is written, or why the database undid it. */
async function write(
  cx: Context,
  { applied, plans, rows, standing, look, acl_max_rules }: Work,
): Promise<{ applied: Applied } | { refused: string }> {
  const statements = plans.flatMap((one) => one.statements)
  if (statements.length === 0 && rows.length === 0) return { applied }
  const record = rows.length === 0 ? [] : [recordEntries(cx, rows)]
  let looked: readonly NamedRights[]
  try {
    const done = await cx.db.write({
      changes: [...standing.making, demandRecordedBefore(cx, rows), ...statements, ...record],
      look,
    })
    looked = done.look
  } catch (error) {
    const inTheWay =
      error instanceof ConstraintViolation
        ? `${error.constraint || 'a reference'} is in the way`
        : error instanceof BatchRefused
          ? `the demand ${error.reason} is not met`
          : undefined
    const refused = refusalOf(error)?.detail ?? inTheWay
    if (refused === undefined) throw error
    return { refused }
  }
  cx.memory.delete('settings')
  const warnings = warningsOf(cx, looked, acl_max_rules)
  return { applied: warnings.length === 0 ? applied : { ...applied, warnings } }
}
