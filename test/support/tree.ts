// The place of the project on the disk.

export const ROOT = new URL('../..', import.meta.url).pathname
