// REPORTS_CLIENT_SECRET as `npm start` sets it: the secret by which mProxy reports to the worker,
// made once and kept in the folder. With a database elsewhere the client may be there already, with
// a secret that this machine does not know: then the environment says it, or nothing is reported.
// Imports nothing of the worker.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** Undefined: nothing is reported. */
export function reportsSecret(env: Environment): string | undefined {
  const text = env['REPORTS_CLIENT_SECRET']?.trim()
  if (text) return text
  if (env['DATABASE_URL']?.trim()) return undefined
  const folder = env['ALLAUTH_FOLDER']?.trim() || '.allauth'
  const file = join(folder, 'reports_secret')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(file, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return readFileSync(file, 'utf8').trim()
}
