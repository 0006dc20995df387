// The folder in which `npm start` and a local worker keep the files that they make, and a secret
// that is made once in it. Imports nothing of the worker.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type HostVariables = Readonly<Record<string, string | undefined>>

export const hostFolder = (env: HostVariables): string =>
  env['ALLAUTH_FOLDER']?.trim() || '.allauth'

/** STATE_DIR of mProxy, as `npm start` sets it where it is not set. */
export const stateFolderOf = (env: HostVariables): string =>
  env['STATE_DIR']?.trim() || join(hostFolder(env), 'mproxy')

/**
 * The secret in the file, base64url of 32 bytes, which is made if it is not there. Of two programs
 * that start at once, both use that of the first. Throws the error of the file system.
 */
export function secretMadeOnce(file: string): string {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return readFileSync(file, 'utf8').trim()
}
