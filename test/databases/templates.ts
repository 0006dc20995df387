// The files that databases of tests are copies of: migrated, without rows, and the same with signing
// keys. Making an RSA key takes longer than a whole test, so the keys are made once for each run.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { noParties } from '../../worker/context.ts'
import type { Database } from '../../worker/db/database.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'
import { migrate, readMigrations } from '../../worker/entry/migrate.ts'
import { readEnvironment } from '../../worker/environment.ts'
import { signingKeys } from '../../worker/keys/signing_keys.ts'
import { guardFetch } from '../../worker/outside.ts'
import { ENVIRONMENT, EPOCH } from '../support/environment.ts'

/** Paths of two files. */
export type Templates = { bare: string; withKeys: string }

export async function makeTemplates(folder: string): Promise<Templates> {
  const templates = { bare: join(folder, 'bare.db'), withKeys: join(folder, 'with_keys.db') }
  const migrations = readMigrations(new URL('../../migrations/', import.meta.url).pathname)
  for (const template of Object.values(templates)) {
    const database = await openEmbeddedDatabase(`file:${template}`)
    await migrate(database, migrations)
    if (template === templates.withKeys) await makeKeys(database)
    await database.close()
  }
  return templates
}

/** Makes the first signing keys, as a worker of the tests does at its first request. */
async function makeKeys(database: Database): Promise<void> {
  const { config } = readEnvironment({ ...ENVIRONMENT, DATABASE_URL: 'file:unused' })
  if (config === undefined) throw new Error('ENVIRONMENT is not accepted')
  const argon2 = createRequire(import.meta.url).resolve('@phi-ag/argon2/argon2.wasm')
  await signingKeys({
    config,
    db: database,
    now: () => EPOCH,
    random: (n) => crypto.getRandomValues(new Uint8Array(n)),
    log: () => {},
    pause: async () => {},
    fetch: guardFetch(fetch, false),
    background: () => {},
    address: '192.0.2.1',
    client_certificate: null,
    actor: { kind: 'system', id: null, scopes: new Set(['manage']) },
    memory: new Map(),
    argon2: new WebAssembly.Module(readFileSync(argon2)),
    rid: 'fixture',
    mail: async () => ({ outcome: 'kept' }),
    parties: noParties(),
  })
}
