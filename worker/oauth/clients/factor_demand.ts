// The demand of a client that people prove two factors (`require_acr`): in code, and as a condition
// on the client as it stands when a code is written.
import { type Condition, condition, type Scalar } from '../../db/sql.ts'
import { ACR_TWO_FACTORS, meetsAcr } from '../acr.ts'
import type { Client } from './clients.ts'

/** Whether a sign-in with these methods is too weak for the client. */
export const isTooWeakFor = (
  { require_acr }: Pick<Client, 'require_acr'>,
  amr: readonly string[],
): boolean => require_acr !== null && !meetsAcr(amr, [require_acr])

/** A condition: the client demands two factors. */
export const clientDemandsFactor = (client_id: string | Scalar): Condition =>
  condition`exists (select 1 from client where id = ${client_id}
    and json_extract(members, '$.require_acr') = ${ACR_TWO_FACTORS})`
