// The end of a program of this project when a person has to correct something first.

/**
 * Thrown for a fault that a person must correct before a program can go on. Printed as it is; exit
 * code 2.
 */
export class CannotStart extends Error {}

/** Runs a program: prints one clear line and exits 2 for a fault that a person can correct. */
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
