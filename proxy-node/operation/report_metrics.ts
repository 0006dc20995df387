// Counters of the reports to the worker.

import { Counter, Gauge, type Registry } from 'prom-client'

export type ReportMetrics = {
  /** `outcome`: a word of reporter.ts. */
  reportSent(outcome: string): void
  /** Reads what waits and what was dropped when it is scraped. */
  watchReports(dropped: () => number, waiting: () => number): void
}

export function countReports(registers: Registry[]): ReportMetrics {
  const reports = new Counter({
    name: 'mproxy_reports_total',
    help: 'Attempts to report sessions to the worker, by outcome',
    labelNames: ['outcome'],
    registers,
  })
  return {
    reportSent(outcome) {
      reports.inc({ outcome })
    },
    watchReports(dropped, waiting) {
      new Counter({
        name: 'mproxy_report_entries_dropped_total',
        help: 'Entries of reports to the worker that were dropped',
        registers,
        collect() {
          this.reset()
          this.inc(dropped())
        },
      })
      new Gauge({
        name: 'mproxy_report_entries_waiting',
        help: 'Entries that wait for the next report to the worker',
        registers,
        collect() {
          this.set(waiting())
        },
      })
    },
  }
}
