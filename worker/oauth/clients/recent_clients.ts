// Clients that this process read lately, in parsed form: the row is still read in each request, and
// only its parsing is saved. What was remembered is also a hint, before anything is read, which
// statements a request will hardly need. A hint decides nothing: whoever leaves a statement out by
// it looks at the row that was read, and reads the rest where the hint was wrong.
import { type Context, recall, remember } from '../../context.ts'
import { type Client, parseClient } from './client_metadata.ts'
import type { ClientRow } from './store.ts'

type Recent = { row: ClientRow; readonly client: Client }

const RECENT = 'clients read lately'
const RECENT_MAX = 500
/** Of a comparison with the row nothing can be stale. */
const FOR_GOOD = Number.MAX_SAFE_INTEGER / 2

const recentOf = (cx: Context): Map<string, Recent> =>
  recall<Map<string, Recent>>(cx, RECENT) ??
  remember(cx, RECENT, new Map<string, Recent>(), FOR_GOOD)

/** The client of a row that was just read. Many requests share it, so it is never changed. */
export function clientOf(cx: Context, row: ClientRow): Client {
  const recent = recentOf(cx)
  const known = recent.get(row.id)
  if (known !== undefined && isSame(known.row, row)) {
    known.row = row // most likely the next one is this very object
    return known.client
  }
  recent.delete(row.id)
  // A Map keeps the order of insertion: the first is the oldest.
  const [oldest] = recent.keys()
  if (recent.size >= RECENT_MAX && oldest !== undefined) recent.delete(oldest)
  const client = Object.freeze(parseClient(row))
  recent.set(row.id, { row, client })
  return client
}

/** The client of this id as it was read lately, perhaps not as it is now; for hints alone. */
export const recentClient = (cx: Context, id: string): Client | undefined =>
  recentOf(cx).get(id)?.client

/** All columns, not the version alone: one of them says until when a document counts. */
const isSame = (before: ClientRow, after: ClientRow): boolean =>
  before === after ||
  (Object.keys(after) as (keyof ClientRow)[]).every((name) => before[name] === after[name])
