// Keys of addresses that are stored in the former form are rewritten by the timer: SQL cannot write
// a domain in ASCII. Each batch reads rows and changes them as they were read, so it may stop
// anywhere, and run in several processes at once. Two accounts whose addresses would meet both
// stay as they are, found by the spelling that each was made with and signing in by password alone;
// an operator hears of them. One that has proven the address goes before one that has not.
import type { Context } from '../../context.ts'
import type { Statement } from '../../db/sql.ts'
import { emailKey, formerEmailKey } from '../../email_address.ts'
import { appendEvent } from '../../events.ts'
import { listFormerMarks, rewriteMark } from '../../mail/mail_store.ts'
import {
  isToMark,
  type LoginIdRow,
  listAddressesByKeys,
  listCollisions,
  listFormerAddresses,
  markCollision,
  rewriteKey,
} from './login_id_store.ts'

/** Rows of a batch, and batches of a run. */
const AT_ONCE = 200
const BATCHES = 25

/** For the timer. Round trips of a batch: 2 reads, 1 write; of a run without work 1. */
export async function rewriteAddressKeys(cx: Context): Promise<void> {
  for (let i = 0; i < BATCHES; i++) {
    const { former, collisions, marks } = await cx.db.read({
      former: listFormerAddresses(AT_ONCE),
      collisions: listCollisions(AT_ONCE),
      marks: listFormerMarks(AT_ONCE),
    })
    const due = [...former, ...collisions]
    const keys = [...new Set(due.map(({ value }) => emailKey(value)))]
    const there = keys.length === 0 ? [] : await cx.db.read(listAddressesByKeys(keys))
    const rows = new Map([...due, ...there].map((row) => [row.id, row]))
    const groups = Map.groupBy(rows.values(), ({ value }) => emailKey(value))
    const changes = [
      ...[...groups].flatMap(([key, group]) => settle(cx, key, group)),
      ...marks
        .filter(({ address, address_key }) => emailKey(address) !== address_key)
        .flatMap((mark) => rewriteMark(mark, emailKey(mark.address))),
    ]
    if (changes.length > 0) await cx.db.write(changes)
    if (former.length < AT_ONCE) return
  }
}

/** Brings the rows of one address to their forms; `group` are those that are there. */
function settle(cx: Context, key: string, group: readonly LoginIdRow[]): readonly Statement[] {
  const proven = group.filter(({ verified_at }) => verified_at !== null)
  const counting = group.filter((row) => row.verified_at !== null || row.is_primary === 1)
  const owners = proven.length > 0 ? proven : counting
  // Several may be kept for later, unproven, at accounts that never had another spelling.
  const collide = new Set(owners.map(({ user_id }) => user_id)).size > 1 && differ(owners)
  const marked = group.filter((row) =>
    owners.includes(row) ? collide : owners.length > 0 && differ([...owners, row]),
  )
  return [
    // First: a key that is given up is free for its owner.
    ...marked
      .filter(({ form }) => form !== 'collides')
      .flatMap((row) => [
        appendEvent(
          cx,
          {
            type: 'user.address_collides',
            outcome: 'failure',
            subject_id: row.user_id,
            data: { login_id: row.id },
          },
          isToMark(row),
        ),
        markCollision(row, formerEmailKey(row.value)),
      ]),
    ...group
      .filter((row) => row.form !== 'current' && !marked.includes(row))
      .flatMap((row) => rewriteKey(row, key)),
  ]
}

const differ = (rows: readonly LoginIdRow[]): boolean =>
  new Set(rows.map(({ value }) => formerEmailKey(value))).size > 1
