// The database for the rooms: statements go in, rows come out, one round trip each way.
// Files: sql.ts makes statements and conditions, schema.ts describes every table and names its
// room. Owns the table `batch_refusal`.
// Leaves drivers, and how they recover, to worker/entry alone.
import { isSqlText, reasonOf, type Statement } from './sql.ts'

/**
 * Statements that are sent together, each under a name: one statement, a group of named ones, or a
 * list of which no single answer is needed. Null is an empty place.
 */
export type Batch = Statement<unknown> | readonly Statement<unknown>[] | Group | null
type Group = { readonly [name: string]: Batch }

/**
 * The answer to a batch, under the same names: the rows of a statement, the rows of a list
 * together, none for null.
 */
export type Answers<B> =
  B extends Statement<infer Row>
    ? Row[]
    : B extends readonly Statement<infer Row>[]
      ? Row[]
      : // Not `extends Group`: a group with a member of generic type would then be of no known type.
        B extends object
        ? { -readonly [Name in keyof B]: Answers<B[Name]> }
        : never[]

/**
 * Rows are plain objects keyed by column name. Integers are numbers (one beyond 2^53 is a
 * RangeError), blobs are Uint8Array.
 */
export interface Database {
  /**
   * One round trip, one consistent snapshot: `read({ user: findUser(id), rights: rightsOf(id) })`
   * answers `{ user: [...], rights: { ... } }`. A statement that would write is refused.
   */
  read<const B extends Batch>(batch: B, options?: CallOptions): Promise<Answers<B>>
  /**
   * One round trip, one `BEGIN IMMEDIATE` transaction: all or nothing, in the order of the members.
   * The driver repeats it after a lock or a lost answer, so the batch must be safe to repeat:
   * conditional on a `rid` that the request drew once.
   */
  write<const B extends Batch>(batch: B, options?: CallOptions): Promise<Answers<B>>
}

export interface CallOptions {
  /**
   * For how many milliseconds the call may last, with its turn, its locks and its repetition.
   * Absent: as long as the driver waits by itself.
   */
  readonly patience?: number
}

type Row = Record<string, unknown>

/** A driver: statements in order, the rows of each in the same order. */
export interface Driver {
  read(statements: readonly Statement<unknown>[], options?: CallOptions): Promise<Row[][]>
  write(statements: readonly Statement<unknown>[], options?: CallOptions): Promise<Row[][]>
}

/** The database over a driver: the only place where names and positions meet. */
export function databaseOver(driver: Driver): Database {
  const send = async <B extends Batch>(
    run: Driver['read'],
    batch: B,
    options?: CallOptions,
  ): Promise<Answers<B>> => {
    const statements: Statement<unknown>[] = []
    collect(batch, statements)
    return named(batch, statements.length === 0 ? [] : await run(statements, options), { at: 0 })
  }
  const write: Driver['write'] = (statements, options) =>
    driver.write(statements, options).catch(asRefused(statements))
  return {
    read: (batch, options) => send(driver.read, batch, options),
    write: (batch, options) => send(write, batch, options),
  }
}

/**
 * Name of the CHECK of `batch_refusal`, which no row can pass. The statement that met it has the
 * reason.
 */
const REFUSED = 'refused'

const asRefused =
  (statements: readonly Statement<unknown>[]) =>
  (error: unknown): never => {
    if (error instanceof ConstraintViolation && error.constraint === REFUSED) {
      const reason = reasonOf(statements[error.place ?? -1])
      if (reason !== null) throw new BatchRefused(reason, { cause: error })
    }
    throw error
  }

const isList = (batch: Batch): batch is readonly Statement<unknown>[] => Array.isArray(batch)

/** Adds the statements of the batch in their order, which is that of the members. */
function collect(batch: Batch, statements: Statement<unknown>[]): void {
  if (batch === null) return
  // An object that only looks like a statement.
  if (typeof batch !== 'object') throw new TypeError(`${typeof batch} is no statement`)
  if (isSqlText(batch)) statements.push(batch)
  else if (isList(batch)) statements.push(...batch.map(asStatement))
  else for (const part of Object.values(batch)) collect(part, statements)
}

function asStatement(one: Statement<unknown>): Statement<unknown> {
  if (!isSqlText(one)) throw new TypeError('a list holds statements alone')
  return one
}

type Place = { at: number }

/** Gives the rows back under the names of the batch, taking them in the order of `collect`. */
function named<B extends Batch>(batch: B, rows: readonly Row[][], next: Place): Answers<B>
function named(batch: Batch, rows: readonly Row[][], next: Place): unknown {
  if (batch === null) return []
  if (isSqlText(batch)) return rows[next.at++] ?? []
  if (isList(batch)) return batch.flatMap(() => rows[next.at++] ?? [])
  // Names may be ids: `fromEntries` makes each a member of its own, `__proto__` too.
  return Object.fromEntries(
    Object.entries(batch).map(([name, part]) => [name, named(part, rows, next)]),
  )
}

/**
 * Thrown when the database could not be reached, or stayed locked. Transient: the same call may
 * work later.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'
}

export type ConstraintKind =
  /** a UNIQUE or PRIMARY KEY constraint or index; the drivers do not tell them apart */
  'unique' | 'check' | 'foreign_key' | 'not_null' | 'other'

/** Thrown when the schema refused the batch; nothing of it was stored. */
export class ConstraintViolation extends Error {
  override readonly name = 'ConstraintViolation'
  readonly kind: ConstraintKind
  /**
   * The constraint in the words of SQLite: `user.email_normal`, `member.group_id,
   * member.principal_id`, the name or expression of a CHECK; empty for a foreign key. It never
   * holds a stored value.
   */
  readonly constraint: string
  /** The statement of the batch that met it, counted from 0; null where the driver cannot say. */
  readonly place: number | null

  constructor(
    kind: ConstraintKind,
    constraint: string,
    { place = null, ...options }: ErrorOptions & { place?: number | null } = {},
  ) {
    super(`${kind} constraint failed${constraint === '' ? '' : ': ' + constraint}`, options)
    this.kind = kind
    this.constraint = constraint
    this.place = place
  }
}

/** Thrown when a `refuseUnless` of the batch was not met; nothing of the batch was stored. */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused'
  readonly reason: string

  constructor(reason: string, options?: ErrorOptions) {
    super(`the batch is refused: ${reason}`, options)
    this.reason = reason
  }
}

/**
 * The answer to a write or, when a `refuseUnless` undid it, that of `refused` to its reason. Every
 * other failure passes.
 */
export async function unlessRefused<T, R>(
  write: Promise<T>,
  refused: (reason: string) => R,
): Promise<T | R> {
  try {
    return await write
  } catch (error) {
    if (error instanceof BatchRefused) return refused(error.reason)
    throw error
  }
}
