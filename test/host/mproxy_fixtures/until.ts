// Waiting for something to be so, with a deadline; and collecting what has to be ended afterwards.

export async function until<T>(
  what: string,
  look: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  seconds = 10,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false && seen !== null) return seen
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise((again) => setTimeout(again, 20))
  }
}
