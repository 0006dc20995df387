// Entries of status lists, for an operator who asks what became of the tokens of an origin, or of
// one token that has this place in its claim `status`.
import type { Context } from '../context.ts'
import { Problem } from '../errors.ts'
import { LIST_BITS, listEntriesOf, type StatusKind } from './entry_store.ts'
import { findLastList, listContent } from './list_store.ts'
import { flipped, INVALID, inflate, SUPERSEDED, validPlaces, valueAt } from './status_list.ts'

type EntryOfOrigin = {
  kind: StatusKind
  origin: string
  list: number
  idx: number
  /** A change concerns it that is still spread: its tokens are refused by that already. */
  waits: boolean
}

/**
 * The entries that tokens of a device, client, authorization or minted token have which count now;
 * none where all that were issued ended. One round trip.
 */
export async function describeEntries(cx: Context, origin: string): Promise<EntryOfOrigin[]> {
  const rows = await cx.db.read(listEntriesOf(origin))
  return rows.map(({ kind, list, idx, is_cut }) => ({
    kind,
    origin,
    list,
    idx,
    waits: is_cut === 1,
  }))
}

/** Answers what a list says of one place; a place that nobody got yet is valid. Throws Problem. */
export async function statusOfPlace(
  cx: Context,
  list: number,
  idx: number,
): Promise<{ list: number; idx: number; state: 'valid' | 'ended' | 'superseded' }> {
  const {
    last: [last],
    content: { snapshot, flips },
  } = await cx.db.read({ last: findLastList(), content: listContent(list, null) })
  const isThere = list >= 0 && list <= (last?.id ?? -1) && idx >= 0 && idx < 1 << LIST_BITS
  if (!isThere) throw new Problem('not_found', 'there is no such list, or no such place in it')
  const [kept] = snapshot
  const before = kept?.snapshot ? await inflate(new Uint8Array(kept.snapshot)) : validPlaces()
  const value = valueAt(flipped(before, flips), idx)
  const state = value === INVALID ? 'ended' : value === SUPERSEDED ? 'superseded' : 'valid'
  return { list, idx, state }
}
