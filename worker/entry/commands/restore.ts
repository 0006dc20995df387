// `restore FILE` makes the embedded database of a copy, and `new-epoch` does its second half alone,
// for a database that its provider put back to an earlier moment.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beginEpoch } from '../../admin/new_epoch.ts'
import type { Context } from '../../context.ts'
import { proveSecretKey } from '../../stored_secrets.ts'
import { CannotStart } from '../cannot_start.ts'
import { BackupRefused, restoreDatabase } from '../embedded/backup.ts'
import { explain, logToStderr, openHost } from '../host.ts'
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
      'Whatever was deleted, disabled, changed or revoked after the copy was made is as before, ' +
        'signing keys too: docs/backup.md.',
    ].join('\n'),
    json: { database: path, file: copy, kept: keep },
  }
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
