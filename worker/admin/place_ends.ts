// The parts of devices/ and oauth/ that stand on a place, for the transfer of identity/, which
// knows neither.
import { withdrawClaimCodesIn } from '../devices/claiming/claim_code_store.ts'
import { countClaimTokensOf, endClaimTokensOf } from '../devices/getting_in/claim_store.ts'
import {
  endKeysMadeIn,
  endTokensMadeIn,
  listKeysMadeIn,
  listTokensMadeIn,
} from '../devices/made_in_place.ts'
import type { PlaceEnds } from '../identity/transfers/transfers.ts'
import { countLinksTo, endLinksTo } from '../oauth/authorizations/place_authorizations.ts'

export const PLACE_ENDS: PlaceEnds = {
  links: (_, group_id) => countLinksTo(group_id),
  claimTokens: countClaimTokensOf,
  credentials: listKeysMadeIn,
  tokens: listTokensMadeIn,
  end: (cx, group_id, { end_credentials, end_tokens }, when) => [
    ...endLinksTo(cx, group_id, when),
    ...endClaimTokensOf(cx, group_id, when),
    withdrawClaimCodesIn(cx, group_id, when),
    ...(end_credentials ? endKeysMadeIn(cx, group_id, when) : []),
    ...(end_tokens ? endTokensMadeIn(cx, group_id, when) : []),
  ],
}
