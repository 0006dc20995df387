// `backup FILE`: a copy of the embedded database, while programs run on it. Needs no SECRET_KEY and
// changes nothing, not even the schema.
import { resolve } from 'node:path'
import { readVariable } from '../../environment.ts'
import { CannotStart } from '../cannot_start.ts'
import { BackupRefused, copyDatabase } from '../embedded/backup.ts'
import { DatabaseUnusable, databasePath } from '../embedded/database.ts'
import type { CommandAnswer } from './answer.ts'

/** The path of the database of the environment. Throws CannotStart for one that is elsewhere. */
export function embeddedPath(command: string): string {
  const url = readVariable('DATABASE_URL', process.env)
  if (!url.startsWith('file:')) {
    throw new CannotStart(
      `${command} is for a database in a file, and DATABASE_URL names one on a server, whose ` +
        'provider keeps copies: on Turso `turso db create NEW --from-db OLD --timestamp TIME`, ' +
        'with sqld its own backups (bottomless). See docs/backup.md; after the database was put ' +
        'back to an earlier moment: npm run allauth -- new-epoch',
    )
  }
  return refusing(() => databasePath(url))
}

export function backup(file: string): CommandAnswer {
  const copy = resolve(file)
  const size = refusing(() => copyDatabase(embeddedPath('backup'), copy))
  return {
    text:
      `${copy} has the database, ${size} bytes. SECRET_KEY is not in it, and without that key it ` +
      'cannot be used: keep the key elsewhere.',
    json: { file: copy, size },
  }
}

function refusing<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof BackupRefused || error instanceof DatabaseUnusable)) throw error
    throw new CannotStart(error.message)
  }
}
