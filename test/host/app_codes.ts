// An authenticator app beside a real program: codes by the clock of the machine, each of a later
// step than the one before, as its replay is refused.
import { codeAt } from '../identity/authenticator.ts'

const STEP = 30_000
const stepNow = () => Math.floor(Date.now() / STEP)

export type AppCodes = { next(): Promise<string> }

/**
 * The codes of an app with this key. It begins with the step before the present one while that counts
 * for long enough, and goes on to the one to come, which counts already: so three codes come
 * without a wait.
 */
export function appCodes(key: string): AppCodes {
  let last: number | null = null
  const first = () => (Date.now() % STEP < STEP / 2 ? stepNow() - 1 : stepNow())
  return {
    async next() {
      last = last === null ? first() : Math.max(last + 1, stepNow())
      while (last > stepNow() + 1) await new Promise((resolve) => setTimeout(resolve, 250))
      return codeAt(key, (last * STEP) / 1000)
    },
  }
}
