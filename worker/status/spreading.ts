// Work on status lists behind the scenes, for the timer: changes that concern more holders than
// were flipped at once are spread page by page, and flips go into the snapshots of their lists.
import type { Context } from '../context.ts'
import {
  deleteChange,
  findChange,
  findListHead,
  listContent,
  listLongLists,
  spreadPage,
  storeSnapshot,
} from './list_store.ts'
import { listAfter } from './status_list.ts'

/** Entries that one statement looks at. */
const PAGE = 2000
/** Pages of one run; what is left waits for the next. */
const PAGES = 500
/** Pages for which a reader of a list waits. */
const PAGES_SOON = 6
/** Flips after a snapshot at which a new one is made. */
const FLIPS_MAX = 500

/** One run: spreads changes and renews snapshots. A run that breaks off is taken up by the next. */
export async function spreadStatus(cx: Context): Promise<void> {
  for (let page = 0; page < PAGES; page += 1) {
    if (!(await spreadNext(cx))) break
    if (page % 10 === 9) await renewSnapshots(cx)
  }
  await renewSnapshots(cx)
}

/**
 * Spreads some pages while a reader of a list waits, so that the list shows at once a change of so
 * many entries, and the rest behind the answer.
 */
export async function spreadSoon(cx: Context): Promise<void> {
  for (let page = 0; page < PAGES_SOON; page += 1) {
    if (!(await spreadNext(cx))) return
  }
  cx.background(spreadStatus(cx))
}

/** Spreads one page; false: no change is waiting. */
async function spreadNext(cx: Context): Promise<boolean> {
  const [change] = await cx.db.read(findChange(PAGE))
  if (change === undefined) return false
  const { bound } = change
  await cx.db.write(bound === null ? [deleteChange(change)] : spreadPage({ ...change, bound }))
  return true
}

async function renewSnapshots(cx: Context): Promise<void> {
  for (const { id } of await cx.db.read(listLongLists(FLIPS_MAX))) {
    const rows = await cx.db.read({ head: findListHead(id), content: listContent(id, null) })
    const [head] = rows.head
    if (head === undefined) continue
    const { snapshot, flips } = rows.content
    const renewed = await listAfter(snapshot[0]?.snapshot ?? null, flips)
    await cx.db.write(
      storeSnapshot(id, { before: head.upto, upto: head.latest, snapshot: renewed }),
    )
  }
}
