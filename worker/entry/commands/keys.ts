// The commands about signing keys and SECRET_KEY: `allauth key list | rotate | revoke | delete |
// reseal | status`. Each answers for people and for programs.
import type { Context } from '../../context.ts'
import { deleteUnopenedKey, revokeKey } from '../../keys/key_revocation.ts'
import { keyStatus, reseal } from '../../keys/resealing.ts'
import { makeSuccessor, readSigningKeys } from '../../keys/signing_keys.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

const date = (at: number) => new Date(at * 1000).toISOString()

export async function answerKeyList(cx: Context): Promise<CommandAnswer> {
  const keys = (await readSigningKeys(cx)).map(({ kid, alg, created_at, signs_at }) => ({
    kid,
    alg,
    created_at,
    signs_at,
  }))
  return {
    text: keys.map((key) => `${key.kid}  ${key.alg}  signs from ${date(key.signs_at)}`).join('\n'),
    json: { keys },
  }
}

export async function answerKeyRotate(cx: Context, alg: string): Promise<CommandAnswer> {
  if (alg !== 'ES256' && alg !== 'RS256' && alg !== 'EdDSA') {
    throw new CannotStart(`--alg ${alg} is none of ES256, RS256, EdDSA`)
  }
  const { key, isNew } = await makeSuccessor(cx, alg)
  const { kid, created_at, signs_at } = key
  return {
    text: [
      isNew ? `${kid}  ${alg}  is made` : `${kid}  ${alg}  waits already, so no other was made`,
      `published since ${date(created_at)}`,
      `signs from      ${date(signs_at)}, when every cache has it`,
    ].join('\n'),
    json: { kid, alg, published_at: created_at, signs_at },
  }
}

export async function answerKeyRevoke(cx: Context, kid: string): Promise<CommandAnswer> {
  const revoked = await revokeKey(cx, kid)
  const { alg, successor, cached_until } = revoked
  return {
    text: [
      `${kid}  ${alg}  is revoked: it is published no more, and its tokens count no more`,
      ...(successor === null ? [] : [`${successor.kid}  ${alg}  signs in its place`]),
      'The running servers know it within a minute. Verifiers elsewhere may need five minutes: until',
      `${date(cached_until)} they may take tokens of the old key and refuse those of the new one.`,
    ].join('\n'),
    json: revoked,
  }
}

export async function answerKeyDelete(
  cx: Context,
  kid: string,
  isForced: boolean,
): Promise<CommandAnswer> {
  const { alg } = await deleteUnopenedKey(cx, kid, { isForced })
  return { text: `${kid}  ${alg}  is deleted`, json: { kid, alg } }
}

export async function answerKeyReseal(cx: Context): Promise<CommandAnswer> {
  const resealed = await reseal(cx)
  const { signing_keys, stored_secrets, mails, unopened } = resealed
  return {
    text: [
      `sealed anew: ${signing_keys} signing keys, ${stored_secrets} stored secrets, ${mails} mails`,
      ...unopened.map((place) => `not opened by SECRET_KEY: ${place}`),
    ].join('\n'),
    json: resealed,
  }
}

export async function answerKeyStatus(cx: Context): Promise<CommandAnswer> {
  const status = await keyStatus(cx)
  const { secret_keys, unopened } = status
  const lines = secret_keys.map((one) => {
    const sealed = `${one.signing_keys} signing keys, ${one.stored_secrets} stored secrets, ${one.mails} mails, ${one.other} other rows`
    return `${one.id}  ${one.is_newest ? 'newest' : 'older '}  sealed ${sealed}; ${describeEnd(one)}`
  })
  const [lost, secrets] = [unopened.signing_keys, unopened.stored_secrets]
  return {
    text: [
      ...(lines.length === 0 ? ['no SECRET_KEY is given here'] : lines),
      ...lost.map((kid) => `the signing key ${kid} is not opened by SECRET_KEY`),
      ...secrets.map((name) => `the stored secret "${name}" is not opened by SECRET_KEY`),
      ...(unopened.other === 0
        ? []
        : [`${unopened.other} other rows are not opened by SECRET_KEY`]),
    ].join('\n'),
    json: status,
  }
}

type SecretKey = Awaited<ReturnType<typeof keyStatus>>['secret_keys'][number]

function describeEnd({ is_newest, may_go, may_go_at, seals_from, ...one }: SecretKey): string {
  if (is_newest) {
    return seals_from === null
      ? 'no server has started with it yet'
      : `seals from ${date(seals_from)}`
  }
  if (may_go) return 'may be dropped from SECRET_KEY'
  if (may_go_at === null) return 'must stay: no server has started with the newest one yet'
  const last = `until ${date(may_go_at)}, when the last opaque token, code and cursor has run out`
  return one.signing_keys + one.stored_secrets + one.mails === 0
    ? `must stay ${last}`
    : `must stay until all is sealed anew (by itself, or by: allauth key reseal), and ${last}`
}
