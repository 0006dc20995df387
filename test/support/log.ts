// Lines that a worker of the tests has logged.
import type { TestWorker } from '../context.ts'

/** The reason of the last line, which tells of a refusal when there was one. */
export const reasonOf = (worker: TestWorker) => worker.log.at(-1)?.fields['reason']
