// `npm run soak -- [SECONDS] [--devices N] [--seed N]`: see soak.ts. Exits with 1 where anything came
// out otherwise than the model says, or something is left.
import { parseArgs } from 'node:util'
import { findLeft } from './left.ts'
import { soak } from './soak.ts'

const { values, positionals } = parseArgs({
  options: { devices: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
const [seconds = '60'] = positionals
const { devices = '60', seed = String(Date.now() % 1_000_000) } = values
console.log(`soak of ${seconds} s with ${devices} devices, seed ${seed}`)
const report = await soak({
  seconds: Number(seconds),
  devices: Number(devices),
  pause: 200,
  seed: Number(seed),
})
console.log(report)
const wrong = [...report.faults, ...findLeft(report)]
for (const line of wrong.slice(0, 50)) console.error(line)
process.exit(wrong.length === 0 ? 0 : 1)
