// Counters and gauges whose labels, one or two, have few values: plain numbers, put into the
// registry when it is scraped. To look labels up there costs more than all else that the start of
// a session counts.

import { Counter, Gauge, type Registry } from 'prom-client'

export type TallyOptions = {
  kind: 'counter' | 'gauge'
  name: string
  help: string
  labelNames: readonly [string, string?]
  registers: Registry[]
}

export type Tally = {
  add(first: string, second?: string): void
  /** For a gauge. */
  remove(first: string, second?: string): void
}

export function createTally({ kind, name, help, labelNames, registers }: TallyOptions): Tally {
  const [one, two] = labelNames
  const numbers = new Map<string, Map<string, number>>()
  const parts = {
    name,
    help,
    registers,
    labelNames: two === undefined ? [one] : [one, two],
    collect(this: { reset(): void; inc(labels: Record<string, string>, by: number): void }) {
      this.reset()
      for (const [first, row] of numbers) {
        for (const [second, value] of row) {
          this.inc(two === undefined ? { [one]: first } : { [one]: first, [two]: second }, value)
        }
      }
    },
  }
  if (kind === 'counter') new Counter(parts)
  else new Gauge(parts)
  const change = (first: string, second: string, by: number) => {
    let row = numbers.get(first)
    if (row === undefined) {
      row = new Map()
      numbers.set(first, row)
    }
    row.set(second, (row.get(second) ?? 0) + by)
  }
  return {
    add: (first, second = '') => change(first, second, 1),
    remove: (first, second = '') => change(first, second, -1),
  }
}
