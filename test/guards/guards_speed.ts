// Guards of plans: statements that would read whole tables.
import type { Guard } from './guards.ts'

export const SPEED: readonly Guard[] = [
  {
    name: 'power-from-subjects',
    attack: 'a change that reads all grants of a role, of which there are as many as homes',
    file: 'worker/access/power_store.ts',
    from: 'needed(role, object_id, until) as materialized (',
    to: 'needed(role, object_id, until) as (',
    test: 'access/plans',
    title: 'begins at all grants of a role',
  },
  {
    name: 'factor-demand-from-person',
    attack: 'a sign-in that reads all groups to learn whether one of its own demands a factor',
    file: 'worker/access/factor_demand.ts',
    from: 'from within cross join "group" g',
    to: 'from within join "group" g',
    test: 'access/plans',
    title: 'rights, decisions or power',
  },
  {
    name: 'grants-from-one-filter',
    attack: 'a page of the grants on an object that reads all grants of a role',
    file: 'worker/access/store.ts',
    from: '  role: (value: string) => condition`+role = ${value}`,',
    to: '  role: (value: string) => condition`role = ${value}`,',
    test: 'access/plans',
    title: 'begins at all grants of a role',
  },
]
