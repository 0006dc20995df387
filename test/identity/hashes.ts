// Counts what argon2 is really asked to do: the function of the WebAssembly instance itself is
// watched.
import { hashPassword } from '../../worker/identity/passwords.ts'
import type { TestWorker } from '../context.ts'

export type Work = { t: number; m: number; p: number }

/** From now on each hash that the worker computes is noted in the list that this answers. */
export async function countHashes(worker: TestWorker): Promise<Work[]> {
  await hashPassword(worker.context(), 'makes the instance')
  const entry = worker.memory.get('argon2')
  if (entry === undefined) throw new Error('no instance of argon2 is remembered')
  const instance = entry.value as { exports: { argon2_hash(...given: number[]): number } }
  const { exports } = instance
  const done: Work[] = []
  instance.exports = {
    ...exports,
    argon2_hash(...given: number[]) {
      const [t = 0, m = 0, p = 0] = given
      done.push({ t, m, p })
      return exports.argon2_hash(...given)
    },
  }
  return done
}
