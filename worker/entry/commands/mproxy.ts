// `allauth mproxy explain`: runs the program of mProxy that explains, in a process of its own,
// since the worker imports nothing of mProxy. Standard input, output and exit code are passed
// through.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const EXPLAIN = fileURLToPath(new URL('../../../proxy-node/explain.ts', import.meta.url))

/** The exit code. */
export function runExplain(words: readonly string[]): number {
  const { status } = spawnSync(process.execPath, [EXPLAIN, ...words], { stdio: 'inherit' })
  return status ?? 1
}
