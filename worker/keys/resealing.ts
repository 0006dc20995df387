// A new SECRET_KEY takes over from an old one: all that is kept sealed for good is sealed anew, and
// operators are told when the old one may go. Answers to POSTs and opaque tokens are not sealed
// anew: they run out. Links and codes in mails run out too, but some after a week only.

import { countSealedAnswers, IDEMPOTENCY_TTL } from '../api/idempotency.ts'
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { isSealedBySealer, seal, sealerOf, sealWith, secretKeyIds, unseal } from '../crypto.ts'
import type { Statement } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { countSealedMails, listMailsNotSealedBy, resealMail } from '../mail/mail_store.ts'
import { contextOfMail } from '../mail/outbox.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../settings.ts'
import {
  contextOfStoredSecret,
  findUnopened,
  listSecretKeys,
  listStoredSecrets,
  resealStoredSecret,
  type SealedValue,
  sealFromNow,
} from '../stored_secrets.ts'
import { contextOfKey, KEY_MEMORY_TTL } from './signing_keys.ts'
import { listKeys, resealKey } from './store.ts'

/**
 * Seconds after which nothing is left that an old SECRET_KEY made in passing: opaque tokens, codes
 * that people type, cursors, answers to POSTs that are repeated. Other processes follow within
 * KEY_MEMORY_TTL.
 */
const LEFT_BEHIND = KEY_MEMORY_TTL + Math.max(ACCESS_TOKEN_TTL_MAX, IDEMPOTENCY_TTL)

export const resealedSchema = z
  .object({
    signing_keys: z.int(),
    stored_secrets: z.int(),
    mails: z.int(),
    unopened: z.array(z.string()).openapi({
      description: 'The places of values that no present SECRET_KEY opens.',
    }),
  })
  .openapi('Resealed')

type Resealed = z.infer<typeof resealedSchema>

/** A value that is kept sealed, and the statement that replaces it. */
type Kept = SealedValue & {
  kind: 'signing_keys' | 'stored_secrets' | 'mails'
  name: string
  replace(resealed: string): Statement
}

async function readKept(cx: Context) {
  const [newest = ''] = secretKeyIds(cx)
  const { keys, secrets, stale_mails, ...rest } = await cx.db.read({
    keys: listKeys(),
    secrets: listStoredSecrets(),
    secret_keys: listSecretKeys(),
    answers: countSealedAnswers(),
    mails: countSealedMails(),
    stale_mails: listMailsNotSealedBy(newest),
  })
  const kept: Kept[] = [
    ...keys.map((row) => ({
      kind: 'signing_keys' as const,
      name: row.kid,
      context: contextOfKey(row.kid),
      value: row.private_jwk,
      replace: (resealed: string) => resealKey(row, resealed),
    })),
    ...secrets.map((row) => ({
      kind: 'stored_secrets' as const,
      name: row.name,
      context: contextOfStoredSecret(row.name),
      value: row.value,
      replace: (resealed: string) => resealStoredSecret(row, resealed),
    })),
  ]
  // Some hundred at a time: the timer comes again.
  const passing: Kept[] = stale_mails.map((row) => ({
    kind: 'mails' as const,
    name: row.id,
    context: contextOfMail(row.id),
    value: row.secrets,
    replace: (resealed: string) => resealMail(row, resealed),
  }))
  return { kept, passing, ...rest }
}

/**
 * Seals under the newest SECRET_KEY all that another one sealed, now. A program that has only the
 * old one can sign no more within an hour, so this is for the time when all have been restarted.
 * Two round trips.
 */
export async function reseal(cx: Context): Promise<Resealed> {
  const [newest] = secretKeyIds(cx)
  if (newest === undefined)
    throw new Problem('conflict', 'without SECRET_KEY nothing can be sealed')
  const { kept, passing } = await readKept(cx)
  const unopened = await findUnopened(cx, kept)
  if (kept.length > 0 && unopened.length === kept.length) {
    throw new Problem('conflict', 'SECRET_KEY opens nothing of the database, so it seals nothing')
  }
  sealWith(cx, newest)
  return replaceAll(cx, { kept, passing }, unopened, [sealFromNow(newest, cx.now())])
}

/**
 * For the timer: the same, once the newest SECRET_KEY of this process seals. One round trip where
 * there is nothing to do, none with one SECRET_KEY.
 */
export async function resealWhenDue(cx: Context): Promise<void> {
  // A value that another one sealed opens only with that one beside it.
  if (cx.config.secret_keys.length < 2) return
  const { kept, passing, secret_keys } = await readKept(cx)
  const [newest] = secretKeyIds(cx)
  const row = secret_keys.find(({ id }) => id === newest)
  if (newest === undefined || row === undefined || row.seals_from > cx.now()) return
  const unopened = await findUnopened(cx, kept)
  if (unopened.length > 0) {
    cx.log('error', 'SECRET_KEY does not open what is sealed', {
      values: unopened.map(({ context }) => context).join(' '),
    })
  }
  sealWith(cx, newest)
  await replaceAll(cx, { kept, passing }, unopened, [])
}

async function replaceAll(
  cx: Context,
  { kept, passing }: { kept: readonly Kept[]; passing: readonly Kept[] },
  unopened: readonly Kept[],
  first: readonly Statement[],
): Promise<Resealed> {
  // A mail that nothing opens is no loss to tell of: it is given up, or runs out.
  const lost = [...unopened, ...(await findUnopened(cx, passing))]
  const stale = [...kept, ...passing].filter(
    (one) => !lost.includes(one) && !isSealedBySealer(cx, one.value),
  )
  const count = (kind: Kept['kind']) => stale.filter((one) => one.kind === kind).length
  const data = {
    signing_keys: count('signing_keys'),
    stored_secrets: count('stored_secrets'),
    mails: count('mails'),
  }
  const changes = [...first]
  for (const { context, value, replace } of stale) {
    changes.push(replace(await seal(cx, context, await unseal(cx, context, value))))
  }
  if (stale.length > 0) changes.push(appendEvent(cx, { type: 'secrets.resealed', data }))
  if (changes.length > 0) await cx.db.write(changes)
  return { ...data, unopened: unopened.map(({ context }) => context) }
}

const secretKeySchema = z
  .object({
    id: z.string().openapi({ description: 'A hash of the key, not the key.' }),
    is_newest: z.boolean(),
    signing_keys: z.int().openapi({ description: 'Signing keys that it sealed.' }),
    stored_secrets: z.int().openapi({ description: 'Secrets of the system that it sealed.' }),
    mails: z.int().openapi({ description: 'Links and codes in mails that it sealed.' }),
    other: z.int().openapi({ description: 'Other rows that it sealed, which run out.' }),
    seals_from: z.int().nullable(),
    may_go: z.boolean().openapi({
      description: 'Whether SECRET_KEY may be given without it, and nothing is lost.',
    }),
    may_go_at: z.int().nullable().openapi({
      description: 'When that will be so; null where it is not known yet, or not foreseen.',
    }),
  })
  .openapi('SecretKeyStatus')

export const keyStatusSchema = z
  .object({
    secret_keys: z.array(secretKeySchema),
    unopened: z.object({
      signing_keys: z.array(z.string()),
      stored_secrets: z.array(z.string()),
      other: z.int(),
    }),
  })
  .openapi('KeyStatus')

/** Which SECRET_KEY sealed what, and whether an old one may go. One round trip. */
export async function keyStatus(cx: Context): Promise<z.infer<typeof keyStatusSchema>> {
  const { kept, secret_keys, answers, mails } = await readKept(cx)
  const ids = secretKeyIds(cx)
  const [newest] = ids
  const sealsFrom = (id: string | undefined) =>
    secret_keys.find((row) => row.id === id)?.seals_from ?? null
  const unopened = await findUnopened(cx, kept)
  const named = (kind: Kept['kind']) =>
    unopened.filter((one) => one.kind === kind).map(({ name }) => name)
  const sealedBy = (id: string, kind: Kept['kind']) =>
    kept.filter((one) => one.kind === kind && sealerOf(one.value) === id).length
  const countOf = (rows: typeof answers, isCounted: (sealer: string) => boolean) =>
    rows.reduce((sum, { sealer, count }) => sum + (isCounted(sealer) ? count : 0), 0)
  const from = sealsFrom(newest)
  return {
    secret_keys: ids.map((id) => {
      const signing_keys = sealedBy(id, 'signing_keys')
      const stored_secrets = sealedBy(id, 'stored_secrets')
      const mailed = countOf(mails, (sealer) => sealer === id)
      const isOld = id !== newest
      const may_go_at = isOld && from !== null ? from + LEFT_BEHIND : null
      return {
        id,
        is_newest: !isOld,
        signing_keys,
        stored_secrets,
        mails: mailed,
        other: countOf(answers, (sealer) => sealer === id),
        seals_from: sealsFrom(id),
        may_go:
          may_go_at !== null &&
          signing_keys + stored_secrets + mailed === 0 &&
          may_go_at <= cx.now(),
        may_go_at,
      }
    }),
    unopened: {
      signing_keys: named('signing_keys'),
      stored_secrets: named('stored_secrets'),
      other: countOf([...answers, ...mails], (sealer) => !ids.includes(sealer)),
    },
  }
}
