// The SECRET_KEY of the machine that a program runs on. It is made on the spot only together with a
// new embedded database: one that is made for a database that has keys already would seal what no
// other program opens.
// Owns the file `secret_key` in the folder of the host. Leaves sealing to the ground, and signing
// keys to keys/ of the worker.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { readVariable } from '../environment.ts'
import { isLoopbackHost } from '../web/loopback.ts'
import { secretMadeOnce } from './broker/host_folder.ts'
import { CannotStart } from './cannot_start.ts'
import { databasePath } from './embedded/database.ts'

type Environment = Record<string, string | undefined>

/** Folder in which a local host keeps the files that it makes. */
export const FOLDER = readVariable('ALLAUTH_FOLDER', process.env)

export type SecretKeySource = {
  /** SECRET_KEY as it would stand in the environment; null: there is none. */
  text: string | null
  /** True for a key of this machine beside a database elsewhere: does it open what is there? */
  isDoubtful: boolean
}

/** The SECRET_KEY of the environment, or of this machine. */
export function findSecretKey(env: Environment): SecretKeySource {
  const text = (env['SECRET_KEY'] ?? '').trim()
  if (text !== '') return { text, isDoubtful: false }
  const database_url = readVariable('DATABASE_URL', env)
  return { text: ownSecretKey(database_url), isDoubtful: !isOfThisMachine(database_url) }
}

export const SECRET_KEY_MISSING =
  'SECRET_KEY is missing. A database that is there already has one, and nothing else opens its signing keys: ' +
  'set that, or put it where the host that made it keeps it, in .allauth/secret_key; after a restore it is ' +
  'the one of the system that was backed up. It is made on the spot only together with a new embedded ' +
  'database. For a database elsewhere in which nothing is yet, make one. ' +
  'Example: SECRET_KEY=the output of: openssl rand -base64 32 | tr "+/" "-_" | tr -d "="'

/** A database in a file, or the endpoint of development. */
function isOfThisMachine(database_url: string): boolean {
  if (database_url.startsWith('file:')) return true
  return URL.canParse(database_url) && isLoopbackHost(new URL(database_url).hostname)
}

/**
 * The key in the folder of the host, made where the database is a file that is not there yet; else
 * null. Of two programs that start at once, both use the key of the first. Throws CannotStart.
 */
export function ownSecretKey(database_url: string): string | null {
  // Looked at first: a program that makes the database has written the key before.
  const isNew = isNewFile(database_url)
  const file = `${FOLDER}/secret_key`
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  if (!isNew) return null
  try {
    return secretMadeOnce(file)
  } catch (error) {
    throw new CannotStart(`${file} cannot be written: ${String(error)}. Or set SECRET_KEY.`)
  }
}

function isNewFile(database_url: string): boolean {
  if (!database_url.startsWith('file:')) return false
  let path: string
  try {
    path = databasePath(database_url)
  } catch {
    return true // an address that is none is refused later, in its own words
  }
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0
}
