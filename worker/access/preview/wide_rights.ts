// Rights that are too wide for a token. A change that gives somebody more rules than a token may
// have is refused when it is made: else it would be taken, and the next token refused.
import type { Context } from '../../context.ts'
import type { Scalar } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { loadSettings } from '../../settings.ts'
import { type CompiledAcl, compileAcl } from '../acl_claim.ts'
import { type RightsRows, rightsOf } from '../rights.ts'
import type { Supposition } from '../rights_store.ts'

/** Characters of rules that fit into a token beside its other claims. */
const RULES_MAX_CHARS = 5_400

/** The rights of the subject of a change, as they would be: a group for a read batch. */
export const supposedRightsOf = (cx: Context, subject: string | Scalar, supposed: Supposition) =>
  rightsOf(subject, cx.now(), supposed)

/** Why no token could have these rules, in words; or null. */
export function widthFault(compiled: CompiledAcl, acl_max_rules: number): string | null {
  if ('fault' in compiled) return `more than ${acl_max_rules} rules (setting acl_max_rules)`
  const size = JSON.stringify(compiled.rules).length
  return size <= RULES_MAX_CHARS
    ? null
    : `${size} characters of rules, of which ${RULES_MAX_CHARS} fit, whatever acl_max_rules says`
}

/**
 * Throws Problem where the subject would have more rules than a token may. `pointer` is the member
 * of the request that gives them.
 */
export async function assertFitsToken(
  cx: Context,
  subject_id: string,
  rows: RightsRows,
  pointer: string,
): Promise<void> {
  const { acl_max_rules } = await loadSettings(cx)
  const silent = { ...cx, log: () => {} }
  const compiled = compileAcl(silent, subject_id, rows, acl_max_rules)
  const fault = widthFault(compiled, acl_max_rules)
  if (fault === null) return
  throw new Problem(
    'conflict',
    `${subject_id} would get no token any more: ${fault}`,
    [
      {
        pointer,
        detail:
          'name the house in the rules of the role or type with ${site.id}, so that one rule ' +
          'stands for all its rooms and devices; or grant on fewer places; or raise acl_max_rules',
      },
    ],
    'too_many_rules',
  )
}
