// CPU time of a process by the operating system's account (Linux).
import { readdirSync, readFileSync } from 'node:fs'

/** Linux accounts in ticks of 10 ms. */
const TICK_MS = 10

/** Fields of /proc/PID/stat behind the name, which may hold spaces. `cpu` in milliseconds. */
export function statOf(pid: number) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'))
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    name,
    parent: Number(fields[1]),
    cpu: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
  }
}

/** The process itself or, under wrangler, the largest one of that name below it. */
export function servingProcess(pid: number, name: string): number {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        return [{ pid: Number(entry), ...statOf(Number(entry)) }]
      } catch {
        return []
      }
    })
  const below = new Set([pid])
  for (let grown = true; grown; ) {
    const more = all.filter((one) => below.has(one.parent) && !below.has(one.pid))
    for (const one of more) below.add(one.pid)
    grown = more.length > 0
  }
  const found = all.filter((one) => below.has(one.pid) && one.name === name)
  const [largest] = found.sort((a, b) => b.cpu - a.cpu)
  return largest?.pid ?? pid
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
