// REPORTS_CLIENT_SECRET as `npm start` sets it: the secret by which mProxy reports to the worker,
// made once and kept in the folder. With a database elsewhere the client may be there already, with
// a secret that this machine does not know: then the environment says it, or nothing is reported.
// Imports nothing of the worker.
import { join } from 'node:path'
import { type HostVariables, hostFolder, secretMadeOnce } from './host_folder.ts'

/** Undefined: nothing is reported. */
export function reportsSecret(env: HostVariables): string | undefined {
  const text = env['REPORTS_CLIENT_SECRET']?.trim()
  if (text) return text
  if (env['DATABASE_URL']?.trim()) return undefined
  return secretMadeOnce(join(hostFolder(env), 'reports_secret'))
}
