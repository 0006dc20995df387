// Guards of mProxy against those who take more than their share: of work, of room, of tries.
import type { Guard } from './guards.ts'

export const BUDGETS: readonly Guard[] = [
  {
    name: 'rules-by-first-level',
    attack: 'a token with many rules whose filters are judged at the cost of all others',
    file: 'policy/rule_index.ts',
    from: 'this.rules.length < WORTH_AN_INDEX || beginsWithWildcard(text)',
    to: 'this.rules.length < 1e9 || beginsWithWildcard(text)',
    test: 'policy/rule_index',
    title: 'cost little more than ten',
  },
  {
    name: 'denials-of-any-first-level',
    attack: 'a denial that begins with a wildcard and is not found by the first level of a topic',
    file: 'policy/rule_index.ts',
    from: '({ topic }) => beginsWithWildcard(topic) || bucketOf(topic, length) === bucket,',
    to: '({ topic }) => bucketOf(topic, length) === bucket,',
    test: 'policy/rule_index',
    title: 'give the verdicts of a walk through all',
  },
]
