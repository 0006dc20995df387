// Consents as operators make them: a key with its versions, and how many people accepted which.
// The decisions themselves are people's (decisions.ts): no operator makes one for somebody. A text
// about which somebody decided never changes; another text is another version.
import { idSchema } from '../../access/principals.ts'
import { decodeCursor, type PageOf, type PageQuery, type Plan, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import type { Statement } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent, changedValues } from '../../events.ts'
import {
  type ConsentRow,
  type ConsentVersionRow,
  countDecisions,
  countPeople,
  demandConsentAt,
  demandFreeKey,
  demandUndecided,
  findConsent,
  insertConsent,
  insertVersion,
  listConsentsAfter,
  listVersionsAfter,
  listVersionsByKeys,
  updateConsent,
  updateVersion,
} from './consent_store.ts'
import { storedTexts, textsSchema } from './consent_texts.ts'

export { listConsentsByKeys, listVersionsByKeys } from './consent_store.ts'

const VERSIONS_MAX = 500

/** The last second of the year 9999. */
const demandedFrom = z
  .int()
  .min(0)
  .max(253_402_300_799)
  .describe('from when people have to accept it; until then it is offered; absent: at once')

export const consentVersionInput = z
  .strictObject({ version: idSchema, texts: textsSchema, demanded_from: demandedFrom.optional() })
  .openapi('NewConsentVersion')

export const consentVersionPatch = z
  .strictObject({ texts: textsSchema.optional(), demanded_from: demandedFrom.optional() })
  .openapi('ConsentVersionPatch')

/** The body of a create request, and an entry of the blueprint. */
export const consentInput = z
  .strictObject({
    key: idSchema,
    required: z.boolean().describe('whether nobody goes on without it'),
    versions: z
      .array(consentVersionInput)
      .min(1)
      .max(VERSIONS_MAX)
      .refine(
        (all) => new Set(all.map(({ version }) => version)).size === all.length,
        'names a version twice',
      )
      .describe('oldest first; the last one is offered'),
  })
  .openapi('NewConsent')

export const consentPatch = z
  .strictObject({ required: z.boolean().optional() })
  .openapi('ConsentPatch')

export const consentSchema = z
  .object({
    key: z.string(),
    required: z.boolean(),
    round: z.int().describe('how many times everybody was asked'),
    versions: z.array(
      z
        .object({
          version: z.string(),
          texts: textsSchema,
          demanded_from: z.int(),
          decided: z.boolean().describe('whether somebody accepted it: then its texts stay'),
          created_at: z.int(),
        })
        .openapi('ConsentVersion'),
    ),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Consent')

export const coverageSchema = z
  .object({
    people: z.int().describe('all users'),
    accepted: z
      .array(z.object({ version: z.string(), people: z.int() }))
      .describe('people whose last word is to accept this version, in the present round'),
    withdrawn: z.int().describe('people whose last word is to withdraw'),
    undecided: z.int().describe('all others: never asked, or to be asked again'),
  })
  .openapi('ConsentCoverage')

export type ConsentInput = z.infer<typeof consentInput>
type VersionInput = z.infer<typeof consentVersionInput>
type VersionPatch = z.infer<typeof consentVersionPatch>

/** A consent with its versions, oldest first. */
export type WholeConsent = { row: ConsentRow; versions: readonly ConsentVersionRow[] }

const describeVersion = (row: ConsentVersionRow) => ({
  version: row.version,
  texts: JSON.parse(row.texts),
  demanded_from: row.demanded_from,
  decided: row.is_decided === 1,
  created_at: row.created_at,
})

export const describeConsent = ({
  row,
  versions,
}: WholeConsent): z.infer<typeof consentSchema> => ({
  key: row.key,
  required: row.required === 1,
  round: row.round,
  versions: versions.map(describeVersion),
  created_at: row.created_at,
  updated_at: row.updated_at,
})

// --- plans ------------------------------------------------------------------------------------

const newVersion = (
  cx: Context,
  key: string,
  position: number,
  { version, texts, demanded_from }: VersionInput,
): ConsentVersionRow => ({
  key,
  version,
  position,
  texts: storedTexts(texts),
  demanded_from: demanded_from ?? cx.now(),
  revision: 1,
  is_decided: 0,
  created_at: cx.now(),
})

function newConsent(cx: Context, { key, required, versions }: ConsentInput): WholeConsent {
  const now = cx.now()
  const row = {
    key,
    required: required ? 1 : 0,
    round: 1,
    created_at: now,
    updated_at: now,
    version: 1,
    rid: cx.rid,
  }
  return { row, versions: versions.map((one, i) => newVersion(cx, key, i + 1, one)) }
}

const creation = (cx: Context, { row, versions }: WholeConsent): Statement[] => [
  demandFreeKey(cx, row.key),
  insertConsent(row),
  ...versions.map(insertVersion),
  appendEvent(cx, {
    type: 'consent.created',
    subject_id: row.key,
    data: { versions: versions.map(({ version }) => version) },
  }),
]

const isDecided = ({ version }: ConsentVersionRow) =>
  new Problem('conflict', `somebody decided about the version ${version}: add another one`, [
    { pointer: '/texts', detail: `somebody decided about version ${version}: its texts stay` },
  ])

/** A change of one version, or null where all is so already. Throws Problem conflict. */
function versionChange(
  cx: Context,
  before: ConsentVersionRow,
  { texts, demanded_from }: VersionPatch,
): {
  after: ConsentVersionRow
  fields: string[]
  demands: Statement[]
  statements: Statement[]
} | null {
  const stored = texts === undefined ? before.texts : storedTexts(texts)
  const rewrites = stored !== before.texts
  const after = {
    ...before,
    texts: stored,
    demanded_from: demanded_from ?? before.demanded_from,
    revision: before.revision + (rewrites ? 1 : 0),
  }
  const fields = (['texts', 'demanded_from'] as const).filter((one) => after[one] !== before[one])
  if (fields.length === 0) return null
  if (rewrites && before.is_decided === 1) throw isDecided(before)
  const { key, version } = before
  const demands = rewrites ? [demandUndecided(cx, key, version)] : []
  const statements = [
    updateVersion(after),
    appendEvent(cx, {
      type: 'consent.version_changed',
      subject_id: key,
      data: { version, fields },
      ...changedValues(describeVersion(before), describeVersion(after), fields),
    }),
  ]
  return { after, fields, demands, statements }
}

type Change = {
  required?: boolean | undefined
  /** Versions that there have to be; others stay. */
  versions?: readonly VersionInput[] | undefined
  /** A version that is there, and what becomes of it. */
  version?: { name: string; patch: VersionPatch }
  asksAgain?: true
}

/** The consent after a change, with the names of what changed. Throws Problem. */
function changed(cx: Context, { row, versions }: WholeConsent, change: Change) {
  const { key } = row
  const next = { ...row, updated_at: cx.now(), version: row.version + 1, rid: cx.rid }
  const after = [...versions]
  const demands = [demandConsentAt(cx, key, row.version)]
  const statements: Statement[] = []
  const fields = new Set<string>()
  if (change.required !== undefined && change.required !== (row.required === 1)) {
    next.required = change.required ? 1 : 0
    fields.add('required')
    statements.push(
      appendEvent(cx, {
        type: 'consent.updated',
        subject_id: key,
        data: { fields: ['required'] },
        before: { required: row.required === 1 },
        after: { required: change.required },
      }),
    )
  }
  const alter = (place: number, patch: VersionPatch) => {
    const before = after[place]
    const altered = before === undefined ? null : versionChange(cx, before, patch)
    if (altered === null) return
    after[place] = altered.after
    fields.add('versions')
    demands.push(...altered.demands)
    statements.push(...altered.statements)
  }
  const placeOf = (name: string) => after.findIndex(({ version }) => version === name)
  for (const input of change.versions ?? []) {
    const place = placeOf(input.version)
    if (place >= 0) {
      alter(place, input)
      continue
    }
    const added = newVersion(cx, key, after.length + 1, input)
    after.push(added)
    fields.add('versions')
    const { version, demanded_from } = added
    const data = { version, demanded_from }
    statements.push(
      insertVersion(added),
      appendEvent(cx, { type: 'consent.version_added', subject_id: key, data }),
    )
  }
  if (change.version !== undefined) {
    const place = placeOf(change.version.name)
    if (place < 0) throw new Problem('not_found', 'there is no such version')
    alter(place, change.version.patch)
  }
  if (change.asksAgain) {
    next.round = row.round + 1
    fields.add('round')
    statements.push(
      appendEvent(cx, {
        type: 'consent.asked_again',
        subject_id: key,
        data: { round: next.round },
      }),
    )
  }
  const all = [...demands, updateConsent(next), ...statements]
  return { whole: { row: next, versions: after }, fields: [...fields], statements: all }
}

/** Plans an entry. Versions that it does not name stay. Throws Problem. */
export async function planConsent(
  cx: Context,
  input: Partial<ConsentInput> & { key: string },
  current: WholeConsent | undefined,
): Promise<Plan> {
  if (current === undefined) {
    const whole = newConsent(cx, consentInput.parse(input))
    return { change: 'created', fields: Object.keys(input), statements: creation(cx, whole) }
  }
  const { required, versions } = input
  const { fields, statements } = changed(cx, current, { required, versions })
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  return { change: 'updated', fields, statements }
}

// --- use cases --------------------------------------------------------------------------------

const noConsent = () => new Problem('not_found', 'there is no such consent')
const otherVersion = () => new Problem('precondition_failed', 'the consent was changed since')

/** Throws Problem conflict where the key is taken. One write. */
export async function createConsent(cx: Context, input: ConsentInput): Promise<WholeConsent> {
  const whole = newConsent(cx, input)
  await unlessRefused(cx.db.write(creation(cx, whole)), () => {
    throw new Problem('conflict', 'there is a consent with this key', [
      { pointer: '/key', detail: 'choose another key, or add a version to that consent' },
    ])
  })
  return whole
}

const readsOf = (key: string) => ({ row: findConsent(key), versions: listVersionsByKeys([key]) })

/** Throws Problem not_found. */
export async function getConsent(cx: Context, key: string): Promise<WholeConsent> {
  const {
    row: [row],
    versions,
  } = await cx.db.read(readsOf(key))
  if (row === undefined) throw noConsent()
  return { row, versions }
}

/** Throws Problem for a forged cursor. */
export async function listConsents(
  cx: Context,
  { limit, cursor }: PageQuery,
): Promise<PageOf<z.infer<typeof consentSchema>>> {
  const after = decodeCursor(cx, 'consents', cursor)
  const { rows, versions } = await cx.db.read({
    rows: listConsentsAfter(after, limit),
    versions: listVersionsAfter(after, limit),
  })
  const versionsOf = Map.groupBy(versions, ({ key }) => key)
  return pageOf(
    cx,
    'consents',
    rows,
    limit,
    (row) => row.key,
    (row) => describeConsent({ row, versions: versionsOf.get(row.key) ?? [] }),
  )
}

const ATTEMPTS = 5

/**
 * Changes a consent. `demanded` is the version of it that the caller saw, or null. Throws Problem
 * not_found, conflict, precondition_failed. Round trips: 1 read, 1 write; again when others write
 * at the same time.
 */
async function changeConsent(
  cx: Context,
  key: string,
  demanded: number | null,
  changeOf: (current: WholeConsent) => Change,
): Promise<WholeConsent> {
  for (let i = 0; i < ATTEMPTS; i++) {
    const current = await getConsent(cx, key)
    if (demanded !== null && demanded !== current.row.version) throw otherVersion()
    const { whole, fields, statements } = changed(cx, current, changeOf(current))
    if (fields.length === 0) return current
    const isWritten = await unlessRefused(
      cx.db.write(statements).then(() => true),
      () => false,
    )
    if (isWritten) return whole
    if (demanded !== null) throw otherVersion()
  }
  throw new Problem('conflict', 'the consent is being changed by others; try again')
}

export const updateRequired = (
  cx: Context,
  key: string,
  { required }: z.infer<typeof consentPatch>,
  demanded: number | null,
): Promise<WholeConsent> => changeConsent(cx, key, demanded, () => ({ required }))

/** Throws Problem conflict where there is a version of this name, or there are too many. */
export const addVersion = (
  cx: Context,
  key: string,
  input: VersionInput,
  demanded: number | null,
): Promise<WholeConsent> =>
  changeConsent(cx, key, demanded, ({ versions }) => {
    if (versions.some(({ version }) => version === input.version)) {
      throw new Problem('conflict', 'there is a version of this name', [
        { pointer: '/version', detail: 'choose another name' },
      ])
    }
    if (versions.length >= VERSIONS_MAX) {
      throw new Problem('conflict', `a consent has at most ${VERSIONS_MAX} versions`)
    }
    return { versions: [input] }
  })

/** Throws Problem conflict for other texts of a version about which somebody decided. */
export const changeVersion = (
  cx: Context,
  key: string,
  name: string,
  patch: VersionPatch,
  demanded: number | null,
): Promise<WholeConsent> => changeConsent(cx, key, demanded, () => ({ version: { name, patch } }))

/** Begins another round: no decision of before counts, so that everybody is asked again. */
export const askAgain = (
  cx: Context,
  key: string,
  demanded: number | null,
): Promise<WholeConsent> => changeConsent(cx, key, demanded, () => ({ asksAgain: true }))

/** How many people accepted which version. Throws Problem not_found. One round trip. */
export async function readCoverage(
  cx: Context,
  key: string,
): Promise<z.infer<typeof coverageSchema>> {
  const {
    row: [row],
    versions,
    counts,
    people: [all],
  } = await cx.db.read({ ...readsOf(key), counts: countDecisions(key), people: countPeople() })
  if (row === undefined) throw noConsent()
  const sum = (rows: readonly { people: number }[]) =>
    rows.reduce((total, { people }) => total + people, 0)
  const accepting = counts.filter((one) => one.decision === 'accepted' && one.is_in_round === 1)
  const accepted = versions.map(({ version }) => ({
    version,
    people: sum(accepting.filter((one) => one.version === version)),
  }))
  const withdrawn = sum(counts.filter(({ decision }) => decision === 'withdrawn'))
  const people = all?.people ?? 0
  return { people, accepted, withdrawn, undecided: people - sum(accepted) - withdrawn }
}
