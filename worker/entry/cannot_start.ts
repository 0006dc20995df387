// How a program of ours ends when a person has to put something right first.

/** Something a person must put right before a program can go on. Printed as it is; exit code 2. */
export class CannotStart extends Error {}

/** Runs a program: prints one clear line and exits 2 for what a person can put right. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  try {
    await main()
  } catch (error) {
    if (error instanceof CannotStart) {
      console.error(error.message)
      process.exit(2)
    }
    console.error(error)
    process.exit(1)
  }
}
