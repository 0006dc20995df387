// SQL as values: a template whose interpolations are bound, never pasted, and which can be nested.
// It knows no driver. The caller of Database decides which statements run together.

import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { getTableName } from 'drizzle-orm/table'
import { getTableColumns } from 'drizzle-orm/utils'

export type SqlValue = string | number | bigint | null | Uint8Array | ArrayBuffer

declare const kind: unique symbol

/** SQL text with its arguments; the types below say its kind. */
interface Text {
  readonly sql: string
  readonly args: readonly SqlValue[]
}

/** One whole SQL statement. `Row` is the shape of a row that it answers. */
export interface Statement<Row = unknown> extends Text {
  readonly [kind]?: { readonly statement: () => Row }
}

/** A part that is true or false, for `where`; made with `condition`. No database runs it alone. */
export interface Condition extends Text {
  readonly [kind]?: { readonly condition: true }
}

/** A part that stands for one value, such as a query in parentheses; made with `scalar`. */
export interface Scalar extends Text {
  readonly [kind]?: { readonly scalar: true }
}

// A class and not a plain object, so that no value from outside, whatever its shape, counts as SQL
// text.
class Fragment implements Text {
  readonly sql: string
  readonly args: readonly SqlValue[]
  declare readonly [kind]?: never

  constructor(sql: string, args: readonly SqlValue[]) {
    this.sql = sql
    this.args = args
  }
}

export type Interpolation = SqlValue | boolean | Statement<unknown> | Condition | Scalar

/**
 * sql<{ id: string }>`select id from user where email = ${email}`
 *
 * A value becomes a bound `?`, a boolean 0 or 1; another statement is inlined. Throws TypeError for
 * `undefined` and every other value that SQLite cannot hold.
 */
export function sql<Row = unknown>(
  strings: TemplateStringsArray,
  ...values: readonly Interpolation[]
): Statement<Row> {
  return fill(strings, values)
}

/**
 * condition`exists (select 1 from user where id = ${id})`: like `sql`, for a part that is true or
 * false.
 */
export function condition(
  strings: TemplateStringsArray,
  ...values: readonly Interpolation[]
): Condition {
  return fill(strings, values)
}

/**
 * scalar`(select user_id from session where sid = ${sid})`: like `sql`, for a part that is one
 * value.
 */
export function scalar(strings: TemplateStringsArray, ...values: readonly Interpolation[]): Scalar {
  return fill(strings, values)
}

/** The condition that always holds. */
export const TRUE: Condition = condition`true`

/**
 * The statement that undoes its whole batch unless the condition holds: the write rejects with
 * BatchRefused and this reason. A batch may be repeated after a lost answer, so the condition must
 * also hold after its own first run.
 */
export function refuseUnless(holds: Condition, reason: string): Statement<never> {
  const { sql: text, args } = sql`insert into batch_refusal (refused)
    select 1 where (${holds}) is not true`
  return new Refusal(text, args, reason)
}

class Refusal extends Fragment {
  readonly reason: string

  constructor(sql: string, args: readonly SqlValue[], reason: string) {
    super(sql, args)
    this.reason = reason
  }
}

/** The reason of a statement that `refuseUnless` made, or null. */
export const reasonOf = (statement: Statement<unknown> | undefined): string | null =>
  statement instanceof Refusal ? statement.reason : null

/**
 * Length of the step by which every counter jumps when the database was put back to an earlier
 * moment: further than any of them got since.
 */
export const COUNTER_JUMP = 1_000_000_000

/** True when a value is SQL text and not a value to bind. */
export const isSqlText = (value: unknown): value is Statement => value instanceof Fragment

function fill(strings: TemplateStringsArray, values: readonly Interpolation[]): Fragment {
  let text = strings[0] ?? ''
  const args: SqlValue[] = []
  values.forEach((value, i) => {
    if (value instanceof Fragment) {
      text += value.sql
      args.push(...value.args)
    } else {
      text += '?'
      args.push(sqlValue(value))
    }
    text += strings[i + 1] ?? ''
  })
  return new Fragment(text, args)
}

/** The values as `?, ?, ?`, for `in (...)`. An empty list gives `in ()`, which is never true. */
export function list(values: readonly (SqlValue | boolean)[]): Statement<never> {
  return new Fragment(values.map(() => '?').join(', '), values.map(sqlValue))
}

/**
 * Joins parts with `separator` between them. Conditions joined with ` and ` or ` or ` get
 * parentheses, each and all, so that they mean the same wherever they are inlined. No part at all
 * is true for ` and `, false for ` or `.
 */
export function join(parts: readonly Condition[], separator: ' and ' | ' or '): Condition
export function join(
  parts: readonly (Statement<unknown> | Scalar)[],
  separator: ', ' | ' ' | ' union all ',
): Statement<never>
export function join(parts: readonly Text[], separator: string): Fragment {
  const isCondition = separator === ' and ' || separator === ' or '
  const texts = parts.map(({ sql }) => (isCondition ? `(${sql})` : sql))
  if (isCondition && texts.length === 0) texts.push(separator === ' and ' ? '1' : '0')
  const text = texts.join(separator)
  const args = parts.flatMap((part) => part.args)
  return new Fragment(isCondition ? `(${text})` : text, args)
}

/**
 * `insert into "table" (...) values (...)`, followed by `tail` such as sql`on conflict do nothing`
 * or sql`returning id`. Members that are undefined are left to the column's default.
 */
export function insertInto<T extends SQLiteTable, Row = never>(
  table: T,
  row: T['$inferInsert'],
  tail?: Statement<Row>,
): Statement<Row> {
  const { into, values } = insertion(table, row)
  return sql<Row>`insert into ${into} values (${values})${trailing(tail)}`
}

/**
 * `insert into "table" (...) select ... where condition`: stores the row only if the condition
 * holds. For batches that depend on a value that an earlier statement consumed.
 */
export function insertWhere<T extends SQLiteTable, Row = never>(
  table: T,
  row: T['$inferInsert'],
  condition: Condition,
  tail?: Statement<Row>,
): Statement<Row> {
  const { into, values } = insertion(table, row)
  return sql<Row>`insert into ${into} select ${values} where (${condition})${trailing(tail)}`
}

function insertion(table: SQLiteTable, row: object): { into: Fragment; values: Fragment } {
  const columns = getTableColumns(table)
  const names: string[] = []
  const values: SqlValue[] = []
  for (const [key, value] of Object.entries(row)) {
    if (value === undefined) continue
    const column = Object.hasOwn(columns, key) ? columns[key] : undefined
    if (column === undefined) throw new TypeError(`${getTableName(table)} has no column ${key}`)
    names.push(quoted(column.name))
    // The column's own mode decides how booleans, dates and JSON are stored.
    values.push(sqlValue(value === null ? null : column.mapToDriverValue(value)))
  }
  if (names.length === 0) throw new TypeError(`a row of ${getTableName(table)} without a column`)
  const into = `${quoted(getTableName(table))} (${names.join(', ')})`
  return {
    into: new Fragment(into, []),
    values: new Fragment(values.map(() => '?').join(', '), values),
  }
}

function trailing(tail: Statement<unknown> | undefined): Fragment {
  return tail === undefined ? new Fragment('', []) : new Fragment(` ${tail.sql}`, tail.args)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function sqlValue(value: unknown): SqlValue {
  if (value === null || typeof value === 'bigint') return value
  if (typeof value === 'string') {
    // The embedded driver stores such text whole and reads it back cut off: `admin\0x` as `admin`.
    if (value.includes('\0')) throw new TypeError('text with U+0000 cannot be bound to a statement')
    return value
  }
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be bound to a statement`)
    return value
  }
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return value
  const kind = typeof value === 'object' ? Object.prototype.toString.call(value) : typeof value
  throw new TypeError(`${kind} cannot be bound to a statement`)
}
