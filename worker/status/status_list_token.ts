// Status list tokens (draft Token Status List §5.1): a list, signed. Kept in the memory of the
// process as long as nothing was flipped and its window goes on; all processes give the same ETag.
import { type Context, recall, remember } from '../context.ts'
import { encodeBase64url } from '../crypto.ts'
import { signJwt } from '../keys/jwt.ts'
import { ensureKey } from '../keys/signing_keys.ts'
import { listUri } from './entry_store.ts'
import { findLastList, findListHead, isAnyWaiting, listContent, listListIds } from './list_store.ts'
import { spreadSoon } from './spreading.ts'
import { endedList, listAfter, STATUS_BITS } from './status_list.ts'

/** Media type of the token, without `application/`, and its `typ` (§5.1). */
export const STATUS_LIST_TYPE = 'statuslist+jwt'

/** Seconds after which a reader asks again (§5.1 `ttl`). */
const TTL = 10
/** Seconds for which a token is good, so that service outlives an issuer that is away. */
const LIFETIME = 86_400
/** Seconds of a window; each has a signature of its own, so three quarters are left at least. */
const WINDOW = 21_600

export type SignedList = { jwt: string; etag: string }

/**
 * The list as a token, or null beyond the last one. One round trip; more while a change is spread,
 * of which the list then shows the next pages.
 */
export async function signedList(cx: Context, id: number): Promise<SignedList | null> {
  const memory = `status list ${id}`
  const { kid } = await ensureKey(cx, 'ES256')
  const window = Math.floor(cx.now() / WINDOW)
  const etagOf = (latest: number | null) => `W/"${latest ?? 'ended'}-${window}-${kid}"`
  const remembered = recall<SignedList & { latest: number | null }>(cx, memory)
  const isOfWindow = remembered?.etag === etagOf(remembered?.latest ?? null)
  const known = isOfWindow ? remembered : undefined
  const reads = {
    head: findListHead(id),
    last: findLastList(),
    content: listContent(id, known?.latest ?? null),
    waiting: isAnyWaiting(),
  }
  let rows = await cx.db.read(reads)
  if (rows.waiting.length > 0) {
    await spreadSoon(cx)
    rows = await cx.db.read(reads)
  }
  const [head] = rows.head
  const last = rows.last[0]?.id ?? null
  if (head === undefined && (last === null || id > last)) return null
  const latest = head?.latest ?? null
  // Weak: each signature of the same list differs.
  const etag = etagOf(latest)
  if (known?.etag === etag) return known
  const { snapshot, flips } = rows.content
  // A list without a row is of a past that a restore has ended.
  const lst =
    head === undefined ? await endedList() : await listAfter(snapshot[0]?.snapshot ?? null, flips)
  const iat = cx.now()
  const { jwt } = await signJwt(cx, 'ES256', STATUS_LIST_TYPE, {
    sub: listUri(cx, id),
    iat,
    exp: iat + LIFETIME,
    ttl: TTL,
    status_list: { bits: STATUS_BITS, lst: encodeBase64url(lst) },
  })
  return remember(cx, memory, { jwt, etag, latest }, WINDOW)
}

/** The addresses of all lists (§9.2). One round trip. */
export async function aggregation(cx: Context): Promise<{ status_lists: string[] }> {
  const ids = await cx.db.read(listListIds())
  return { status_lists: ids.map(({ id }) => listUri(cx, id)) }
}
