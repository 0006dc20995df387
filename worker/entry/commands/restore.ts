// `restore FILE` makes the embedded database of a copy, and `new-epoch` does its second half alone,
// for a database that its provider put back to an earlier moment.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beginEpoch } from '../../admin/new_epoch.ts'
import type { Context } from '../../context.ts'
import { CannotStart } from '../cannot_start.ts'
import { BackupRefused, restoreDatabase } from '../embedded/backup.ts'
import { explain, FOLDER, logToStderr, openHost, proveSecretKey } from '../host.ts'
import type { CommandAnswer } from './answer.ts'
import { embeddedPath } from './backup.ts'

const NEW_EPOCH =
  'A new epoch has begun: everybody signs in again, and every token that was given out is dead, ' +
  'those minted for devices too.'

/** `keep` lets sessions and tokens of the past live on. */
export async function restore(
  file: string,
  { keep = false }: { keep?: boolean | undefined },
): Promise<CommandAnswer> {
  const copy = resolve(file)
  const path = embeddedPath('restore')
  assertHasKey()
  try {
    await restoreDatabase(copy, path, (candidate) => prepare(candidate, keep))
  } catch (error) {
    if (error instanceof BackupRefused) throw new CannotStart(error.message)
    throw error
  }
  return {
    text: [
      `${path} is the database of ${copy} now.`,
      keep ? 'Sessions and tokens of that moment live on, those revoked since too.' : NEW_EPOCH,
    ].join('\n'),
    json: { database: path, file: copy, kept: keep },
  }
}

/** A key that is made on the spot would open nothing of what the copy holds. */
function assertHasKey(): void {
  if ((process.env['SECRET_KEY'] ?? '').trim() !== '' || existsSync(`${FOLDER}/secret_key`)) return
  throw new CannotStart(
    `SECRET_KEY is missing: it is in no backup. Set the one of the system that was backed up, or put ` +
      `its file to ${FOLDER}/secret_key.`,
  )
}

/** Migrates the candidate, proves that SECRET_KEY is its own, and begins the new epoch in it. */
async function prepare(candidate: string, keep: boolean): Promise<void> {
  const env = { ...process.env, DATABASE_URL: pathToFileURL(candidate).href }
  const host = await openHost(env, logToStderr)
  try {
    const cx = host.system()
    await proveSecretKey(cx)
    if (!keep) await beginEpoch(cx)
  } catch (error) {
    throw explain(error, host.config)
  } finally {
    await host.close()
  }
}

export async function newEpoch(cx: Context): Promise<CommandAnswer> {
  await beginEpoch(cx)
  return { text: NEW_EPOCH, json: { epoch: 'new' } }
}
