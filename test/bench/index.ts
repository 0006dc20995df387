// `npm run bench -- <what> [--rounds N] [--seconds S] [--against FOLDER] [--keep FOLDER]
// [--only WORDS]`: the benchmarks, with their peers, as ratios in one run. `--against` names another
// checkout, installed, that takes the place of the peers, or stands beside them (mProxy): so it
// measures the cost of a change. `--keep` names the folder where the registry leaves its fleets, and
// finds them again. `--only` picks the rows of mProxy whose names have these words.

import { parseArgs } from 'node:util'
import { benchIdentity } from './identity.ts'
import { benchMproxy } from './mproxy.ts'
import { benchOauth } from './oauth.ts'
import { benchRegistry } from './registry.ts'

const BENCHES = {
  oauth: benchOauth,
  identity: benchIdentity,
  registry: benchRegistry,
  mproxy: benchMproxy,
}

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    against: { type: 'string' },
    keep: { type: 'string' },
    only: { type: 'string' },
  },
  allowPositionals: true,
})
const [what = ''] = positionals
const bench = Object.entries(BENCHES).find(([name]) => name === what)?.[1]
if (bench === undefined) {
  console.error(`Say what to measure: npm run bench -- ${Object.keys(BENCHES).join(' | ')}`)
  process.exit(2)
}
const { rounds = 5, seconds = 3, against, keep, only } = values
await bench({ rounds: Number(rounds), seconds: Number(seconds), against, keep, only })
