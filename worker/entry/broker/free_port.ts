// Ports for programs that are started here: below those that systems give to outgoing connections,
// so that no connection takes a port between the look at it and the program.
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Linux gives ports from 32768 to connections, other systems from 49152. */
const FIRST = 20_000
const END = 32_768

/** A port on 127.0.0.1 at which nothing listens. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const probe = createServer()
    probe.once('error', () => answer(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => answer(true)))
  })
}
