/** Something a person must put right before a program can go on. Printed as it is; exit code 2. */
export class CannotStart extends Error {}
