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
import { listAfter } from './status_list_token.ts'

/** Entries that one statement looks at. */
const PAGE = 2000
/** Pages of one run; what is left waits for the next. */
const PAGES = 500
/** Flips after a snapshot at which a new one is made. */
const FLIPS_MAX = 500

/** One run: spreads changes and renews snapshots. A run that breaks off is taken up by the next. */
export async function spreadStatus(cx: Context): Promise<void> {
  for (let page = 0; page < PAGES; page += 1) {
    const [change] = await cx.db.read(findChange(PAGE))
    if (change === undefined) break
    const { bound } = change
    await cx.db.write(bound === null ? [deleteChange(change)] : spreadPage({ ...change, bound }))
    if (page % 10 === 9) await renewSnapshots(cx)
  }
  await renewSnapshots(cx)
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
