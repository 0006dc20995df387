// Commands of the command line, a file each: words and options go in, an answer comes out, and
// cli.ts prints it. Each acts as the system on the database of the environment.
// An operator reads the answer at once, so it names the next step where there is one.
// Owns no table. Leaves what a command does to the room whose use case it calls.

/**
 * The answer of a command, for people and for programs; `code` is the exit code, 0 when absent. An
 * empty text is not printed.
 */
export type CommandAnswer = { text: string; json: unknown; code?: number }
