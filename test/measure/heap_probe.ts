// Loaded into a measured program with --import: at SIGUSR2 it collects garbage and tells its parent
// what is left. Nothing of it runs in between.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

process.on('SIGUSR2', () => {
  collectGarbage()
  collectGarbage()
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
  const cpu = process.cpuUsage()
  const resources = process.getActiveResourcesInfo()
  process.send?.({ heapUsed, external, arrayBuffers, rss, cpu: cpu.user + cpu.system, resources })
})
