// `npm run bench -- <what> [--rounds N] [--seconds S]`: the benchmarks, with their peers, as ratios
// in one run.
import { parseArgs } from 'node:util'
import { benchOauth } from './oauth.ts'

const BENCHES = { oauth: benchOauth }

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string' }, seconds: { type: 'string' } },
  allowPositionals: true,
})
const [what = ''] = positionals
const bench = Object.entries(BENCHES).find(([name]) => name === what)?.[1]
if (bench === undefined) {
  console.error(`Say what to measure: npm run bench -- ${Object.keys(BENCHES).join(' | ')}`)
  process.exit(2)
}
await bench({ rounds: Number(values.rounds ?? 5), seconds: Number(values.seconds ?? 3) })
