// Password hashes that a run has computed already. Tests hash the same few passwords with the same
// salts thousands of times, and once takes longer than many a test. So the workers of the tests
// share one instance of argon2, whose function computes each input once. Tests of the hashing
// itself start their workers without it.
import type { Context } from '../../worker/context.ts'
import { hashPassword } from '../../worker/identity/passwords.ts'

type Exports = { memory: WebAssembly.Memory; argon2_hash(...given: number[]): number }
type Instance = { exports: Exports; at: number }

const tags = new Map<string, Uint8Array>()
let shared: Promise<Instance> | null = null

/** Gives the context, which has made no instance yet, the one that is shared. */
export async function shareHashes(cx: Context): Promise<void> {
  shared ??= makeInstance(cx)
  // An object of its own, since a test may watch the function of its worker.
  cx.memory.set('argon2', { value: { ...(await shared) }, expires_at: Infinity })
}

/** An instance that the product itself has made. */
async function makeInstance(cx: Context): Promise<Instance> {
  await hashPassword(cx, 'makes the instance')
  const entry = cx.memory.get('argon2')
  if (entry === undefined) throw new Error('no instance of argon2 is remembered')
  const { exports, at } = entry.value as Instance
  return { exports: { ...exports, argon2_hash: knowing(exports) }, at }
}

/** The function `argon2_hash` of an instance, for inputs that are new. */
const knowing =
  ({ memory, argon2_hash }: Exports) =>
  (...given: number[]): number => {
    const [t, m, p, at = 0, length = 0, saltAt = 0, saltLength = 0, tagAt = 0, tagLength = 0] =
      given
    const [type, version] = given.slice(-2)
    const bytes = (from: number, count: number) => new Uint8Array(memory.buffer, from, count)
    const texts = [bytes(at, length), bytes(saltAt, saltLength)].map((one) => one.join())
    const input = [t, m, p, type, version, tagLength, ...texts].join(' ')
    const known = tags.get(input)
    if (known !== undefined) {
      bytes(tagAt, tagLength).set(known)
      return 0
    }
    const code = argon2_hash(...given)
    if (code === 0) tags.set(input, bytes(tagAt, tagLength).slice())
    return code
  }
