// The command line: `npm run allauth -- <command>`. Works on the database of the environment, as
// the system; only `device token` goes over HTTP, like the device itself. Results go to standard
// output, all else to standard error. A command imports its modules when it runs: a token should
// not have to wait for the whole worker.
import { existsSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { decodeJwt, importJWK, SignJWT } from 'jose'
import type { Context } from '../context.ts'
import { localIssuer, readVariable } from '../environment.ts'
import { Problem } from '../errors.ts'
import { CannotStart, runProgram } from './cannot_start.ts'
import type { CommandAnswer } from './commands/answer.ts'
import {
  algorithmOf,
  makeDeviceKey,
  publicPart,
  readKeyFile,
  writeKeyFile,
} from './commands/key_file.ts'
import { isRegistryCommand, registryHelp } from './commands/registry_usage.ts'

const USAGE = `npm run allauth -- <command>

  migrate                              bring the database up to date
  apply FILE [--dry-run] [--recreate]  make a blueprint true, over what was changed here; says what it changes first
                                       (--dry-run: only says it), and makes again what was deleted with --recreate
  backup FILE                          copy the embedded database while programs run on it; SECRET_KEY is not in the copy
  restore FILE [--keep]                make the embedded database of a copy, where none is; every session and token of the
                                       past is dead, unless --keep lets them live on
  new-epoch                            end every session and token; for a database that its provider put back
  device create ID --type T [--group G ...] [--name N] [--key-file F]
                                       register a device; its key is in F (ID.key), JWK or PEM, made when not there
  device token ID [--key-file F] [--issuer URL]
                                       get a token over HTTP, as the device would
  device claim-code ID [--expires-in S]
                                       a new code by which a person claims the device; the one of before is dead
  qr JOB | qr --filter NAME=VALUE ... [--expires-in S] [--file F]
                                       a sheet to print (HTML, A4) with a new QR and code for each unclaimed device of an
                                       import or of a filter; all codes of before of these devices are dead
  key list                             signing keys
  key rotate [--alg ES256|RS256|EdDSA] make the next signing key
  key revoke KID                       take out a signing key that leaked, at once
  key delete KID [--force]             delete a signing key that SECRET_KEY does not open
  key status                           which SECRET_KEY sealed what, and whether an old one may be dropped
  key reseal                           seal with the newest SECRET_KEY now, once every server has it
  registration-token create [--scope S] [--max-uses N] [--expires-in S] [--name N]
                                       a token with which software registers clients (RFC 7591)
  linking-check CLIENT [--issuer URL]  try at the running server what Google or Amazon demand of account linking;
                                       a person and a secret are made for it, and deleted again
  user create EMAIL [--name N] [--role R] [--locale L]
                                       a person, with a role for everything where one is named, and a link to a first
                                       password, good for an hour: mailed where EMAIL_URL sends mails, else shown
  user reset EMAIL [--send]            a link to a new password for a person, good for an hour; with --send it is mailed
                                       to the person, and not shown
  mail preview KIND [--locale L] [--user EMAIL]
                                       a sample of a mail: subject, text and HTML
  mail test ADDRESS                    send a mail, to try EMAIL_URL; prints the answer of the server
  setup-link                           a link for making the first operator, good for an hour
  refusal REASON                       the sentence behind a reason in the log
  mproxy explain publish|subscribe TOPIC [--token-file F] [--client-id ID] [--qos N] [--retain] [--policy-file F]
                                       what mProxy says to it and by which rule; the token on standard input, or in F
  mproxy learn [FILE]                  templates for device types, of what devices did in shadow mode (STATE_DIR/shadow.json)

  --json                               answer in JSON

Devices and access, as /v1 has them (docs/devices.md, docs/access.md):

${registryHelp()}`

const options = {
  'dry-run': { type: 'boolean' },
  recreate: { type: 'boolean' },
  keep: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  type: { type: 'string' },
  group: { type: 'string', multiple: true },
  name: { type: 'string' },
  'key-file': { type: 'string' },
  issuer: { type: 'string' },
  alg: { type: 'string' },
  force: { type: 'boolean' },
  scope: { type: 'string' },
  'max-uses': { type: 'string' },
  resume: { type: 'string' },
  again: { type: 'string' },
  'expires-in': { type: 'string' },
  send: { type: 'boolean' },
  locale: { type: 'string' },
  role: { type: 'string' },
  user: { type: 'string' },
  filter: { type: 'string', multiple: true },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  tag: { type: 'string', multiple: true },
  untag: { type: 'string', multiple: true },
  from: { type: 'string' },
  to: { type: 'string' },
  kind: { type: 'string' },
  parent: { type: 'string' },
  by: { type: 'string' },
  file: { type: 'string' },
  'end-keys': { type: 'boolean' },
  'end-tokens': { type: 'boolean' },
} as const

type Values = ReturnType<typeof parse>['values']

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    throw new CannotStart(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
  }
}

await runProgram(async () => {
  const [, , noun, verb, ...words] = process.argv
  if (noun === 'mproxy' && verb === 'explain') {
    process.exitCode = (await import('./commands/mproxy.ts')).runExplain(words)
    return
  }
  const { values, positionals } = parse()
  if (values.help || positionals.length === 0 || positionals[0] === 'help') {
    console.log(USAGE)
    return
  }
  const { text, json, code = 0 } = await run(positionals, values)
  if (values.json) console.log(JSON.stringify(json))
  else if (text !== '') console.log(text)
  process.exitCode = code
})

async function run(words: readonly string[], values: Values): Promise<CommandAnswer> {
  const [noun, verb, ...rest] = words
  if (noun === 'device' && verb === 'token')
    return deviceToken(one(rest, 'which device: its id is missing'), values)
  if (noun === 'migrate') return onDatabase(async (_, migrated) => answerMigrated(migrated))
  if (noun === 'apply') {
    const file = one(words.slice(1), 'which blueprint: the file is missing')
    const { apply } = await import('./commands/apply.ts')
    return onDatabase((cx) => apply(cx, file, values))
  }
  if (noun === 'backup') {
    const file = one(words.slice(1), 'where to: the file is missing')
    return (await import('./commands/backup.ts')).backup(file)
  }
  if (noun === 'restore') {
    const file = one(words.slice(1), 'which backup: the file is missing')
    return (await import('./commands/restore.ts')).restore(file, values)
  }
  if (noun === 'new-epoch') {
    const { newEpoch } = await import('./commands/restore.ts')
    return onDatabase(newEpoch)
  }
  if (noun === 'device' && verb === 'create') {
    return deviceCreate(one(rest, 'which device: its id is missing'), values)
  }
  if (noun === 'device' && verb === 'claim-code') {
    const id = one(rest, 'which device: its id is missing')
    const { deviceClaimCode } = await import('./commands/claim_codes.ts')
    return onDatabase(async (cx) => {
      noteIssuer(cx, values)
      return deviceClaimCode(cx, id, values)
    })
  }
  if (noun === 'qr') {
    const { codeSheet } = await import('./commands/claim_codes.ts')
    return onDatabase(async (cx) => {
      noteIssuer(cx, values)
      return codeSheet(cx, words.slice(1), values)
    })
  }
  const name = `${noun} ${verb}`
  if (isRegistryCommand(name)) {
    const { registryCommand } = await import('./commands/registry.ts')
    const command = registryCommand(name)
    return onDatabase((cx) => command(cx, rest, values))
  }
  if (noun === 'key' && verb !== undefined) return keyCommand(words, verb, rest, values)
  if (noun === 'registration-token' && verb === 'create') {
    return onDatabase((cx) => registrationTokenCreate(cx, values))
  }
  if (noun === 'user' && verb === 'create') {
    const email = one(rest, 'who it is: the e-mail address is missing')
    const { userCreate } = await import('./commands/user_create.ts')
    return onDatabase(async (cx) => {
      const created = await userCreate(cx, email, values)
      noteIssuer(cx, values)
      return created
    })
  }
  if (noun === 'user' && verb === 'reset') {
    const email = one(rest, 'whose password: the e-mail address is missing')
    return onDatabase((cx) => userReset(cx, email, values))
  }
  if (noun === 'mail' && (verb === 'preview' || verb === 'test')) {
    const { answerPreview, answerTest } = await import('./commands/mail.ts')
    if (verb === 'test') {
      const address = one(rest, 'where to: the address is missing')
      return onDatabase((cx) => answerTest(cx, address))
    }
    const kind = one(rest, 'which kind of mail')
    return onDatabase((cx) => answerPreview(cx, kind, values))
  }
  if (noun === 'mproxy' && verb === 'learn') {
    const { learn } = await import('./commands/mproxy_learn.ts')
    const [file] = rest.length > 0 ? [one(rest, 'which file')] : []
    return onDatabase((cx) => learn(cx, file, process.env))
  }
  if (noun === 'setup-link') return onDatabase((cx) => setupLink(cx, values))
  if (noun === 'linking-check') {
    const client_id = one(words.slice(1), 'which client: its id is missing')
    return onDatabase((cx) => linkingCheck(cx, client_id, values))
  }
  if (noun === 'refusal') return explainRefusal(one(words.slice(1), 'which reason of the log'))
  throw unknownCommand(words)
}

async function keyCommand(
  words: readonly string[],
  verb: string,
  rest: readonly string[],
  values: Values,
): Promise<CommandAnswer> {
  const commands = await import('./commands/keys.ts')
  if (verb === 'list') return onDatabase(commands.answerKeyList)
  if (verb === 'status') return onDatabase(commands.answerKeyStatus)
  if (verb === 'reseal') return onDatabase(commands.answerKeyReseal)
  if (verb === 'rotate')
    return onDatabase((cx) => commands.answerKeyRotate(cx, values.alg ?? 'ES256'))
  if (verb === 'revoke' || verb === 'delete') {
    const kid = one(rest, 'which key: its kid is missing')
    if (verb === 'revoke') return onDatabase((cx) => commands.answerKeyRevoke(cx, kid))
    return onDatabase((cx) => commands.answerKeyDelete(cx, kid, values.force ?? false))
  }
  throw unknownCommand(words)
}

function unknownCommand(words: readonly string[]): CannotStart {
  return new CannotStart(`There is no command "${words.join(' ')}".\n\n${USAGE}`)
}

function one(words: readonly string[], what: string): string {
  const [first, ...surplus] = words
  if (first === undefined) {
    throw new CannotStart(`Say ${what}. All commands: npm run allauth -- --help`)
  }
  if (surplus.length > 0) throw new CannotStart(`"${surplus.join(' ')}" is not understood here.`)
  return first
}

async function onDatabase(
  work: (cx: Context, migrated: readonly string[]) => Promise<CommandAnswer>,
): Promise<CommandAnswer> {
  const { explain, logToStderr, openHost } = await import('./host.ts')
  const host = await openHost(process.env, logToStderr, { isCommandLine: true })
  try {
    return await work(host.system(), host.migrated)
  } catch (error) {
    if (error instanceof Problem) {
      const details = error.errors.map(({ pointer, detail }) => `  ${pointer}: ${detail}`)
      throw new CannotStart([error.detail, ...details].join('\n'))
    }
    throw explain(error, host.config)
  } finally {
    await host.close()
  }
}

function answerMigrated(migrated: readonly string[]): CommandAnswer {
  return {
    text:
      migrated.length === 0 ? 'no changes' : migrated.map((name) => `applied ${name}`).join('\n'),
    json: { applied: migrated },
  }
}

async function deviceCreate(id: string, values: Values): Promise<CommandAnswer> {
  const { type } = values
  if (type === undefined) throw new CannotStart('Say which kind of device it is: --type T')
  const { deviceInput } = await import('../devices/device_schema.ts')
  const entry = { id, type, name: values.name, groups: values.group ?? [] }
  // The id names a file too, so it is judged before anything is written.
  const judged = deviceInput.safeParse(entry)
  if (!judged.success) {
    throw new CannotStart(
      judged.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'),
    )
  }
  const file = values['key-file'] ?? `${id}.key`
  const made = existsSync(file) ? null : await makeDeviceKey()
  const key = made ?? readKeyFile(file)
  // The key is safe on disk before anybody relies on it; a refused command leaves no key behind.
  if (made !== null) writeKeyFile(file, made)
  return onDatabase(async (cx) => {
    const { createDevice } = await import('../devices/devices.ts')
    await createDevice(cx, {
      ...judged.data,
      credentials: [{ kind: 'jwk', jwk: publicPart(key) }],
    })
    return {
      text: `device ${id} created, ${made === null ? `with the key in ${file}` : `its key is in ${file}`}`,
      json: { id, key_file: file },
    }
  }).catch((error: unknown) => {
    if (made !== null) rmSync(file)
    throw error
  })
}

/** RFC 7523 §2.2: the device signs an assertion about itself and gets a token for mProxy. */
async function deviceToken(id: string, values: Values): Promise<CommandAnswer> {
  const file = values['key-file'] ?? `${id}.key`
  const issuer =
    values.issuer ??
    readVariable('ISSUER', process.env) ??
    localIssuer(readVariable('PORT', process.env))
  const jwk = readKeyFile(file)
  const alg = algorithmOf(jwk)
  const now = Math.floor(Date.now() / 1000)
  const assertion = await new SignJWT({
    iss: id,
    sub: id,
    aud: issuer,
    iat: now,
    exp: now + 60,
    jti: crypto.randomUUID(),
  })
    .setProtectedHeader({ alg, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
    .sign(await importJWK(jwk, alg))
  const metadata = await call(`${issuer}/.well-known/openid-configuration`, {}, issuer)
  const answer = await call(
    String(metadata['token_endpoint']),
    {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        scope: 'mqtt',
        client_id: id,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    },
    issuer,
  )
  const token = String(answer['access_token'])
  const { acl } = decodeJwt<{ acl?: unknown[] }>(token)
  if (acl?.length === 0) {
    console.error(
      `Note: this token permits nothing. The rules of the type of ${id} need a group or metadata that it has not.`,
    )
  }
  return { text: token, json: answer }
}

async function call(
  url: string,
  init: RequestInit,
  issuer: string,
): Promise<Record<string, unknown>> {
  let response: Response
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(10_000) })
  } catch (error) {
    const reason = error instanceof Error ? (error.cause ?? error.message) : error
    throw new CannotStart(
      `${issuer} does not answer (${reason}). Is it running? Else say --issuer URL.`,
    )
  }
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>
  if (!response.ok) {
    throw new CannotStart(
      `${url} answered ${response.status}: ${body['error'] ?? ''} ${body['error_description'] ?? ''}`,
    )
  }
  return body
}

async function registrationTokenCreate(cx: Context, values: Values): Promise<CommandAnswer> {
  const { createInitialAccessToken, initialAccessTokenInput } = await import(
    '../oauth/registration/initial_access_tokens.ts'
  )
  const { scope, name } = values
  const max_uses = wholeNumber('--max-uses', values['max-uses'])
  const seconds = wholeNumber('--expires-in', values['expires-in'])
  const judged = initialAccessTokenInput.safeParse({
    scope,
    description: name,
    max_uses,
    expires_at: seconds === undefined ? undefined : cx.now() + seconds,
  })
  if (!judged.success) {
    throw new CannotStart(
      judged.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'),
    )
  }
  const created = await createInitialAccessToken(cx, judged.data)
  return { text: created.initial_access_token, json: created }
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new CannotStart(`${option} ${text} is no whole number`)
  return Number(text)
}

/** Exit code 1 when a rule is broken. */
async function linkingCheck(
  cx: Context,
  client_id: string,
  values: Values,
): Promise<CommandAnswer> {
  const { checkLinking, describeChecked, isPassed } = await import('./linking/check.ts')
  // The data of the check is also taken away when a person stops it.
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const issuer = (values.issuer ?? cx.config.issuer).replace(/\/$/, '')
  try {
    const checked = await checkLinking(cx, client_id, issuer, stop.signal)
    return { text: describeChecked(checked), json: checked, code: isPassed(checked) ? 0 : 1 }
  } catch (error) {
    if (stop.signal.aborted) throw new CannotStart('Stopped; what was made for it is deleted.')
    // fetch throws a TypeError when there is no answer (Fetch §5.6).
    if (!(error instanceof TypeError) || error.cause === undefined) throw error
    throw new CannotStart(`${issuer} went away in the middle (${error.cause}).`)
  }
}

/** Notes that the shell lacks ISSUER: the server may have one, and the link leads elsewhere. */
function noteIssuer({ config }: Context, { json = false }: Values): void {
  if (json || (process.env['ISSUER'] ?? '').trim() !== '') return
  console.error(
    `Note: ISSUER is not set, so the link begins with ${config.issuer}. Set it as the server has it.`,
  )
}

async function setupLink(cx: Context, values: Values): Promise<CommandAnswer> {
  const { createSetupLink } = await import('../identity/setup.ts')
  const link = await createSetupLink(cx)
  if (link === null) throw new CannotStart('There is an operator already: sign in instead.')
  noteIssuer(cx, values)
  return { text: link, json: { setup_link: link } }
}

async function userReset(cx: Context, email: string, values: Values): Promise<CommandAnswer> {
  const { findUserByAddress } = await import('../identity/login_ids/login_id_store.ts')
  const { createPasswordLink } = await import('../identity/recovery.ts')
  const [user] = await cx.db.read(findUserByAddress(email))
  if (user === undefined) throw new CannotStart(`There is no user with the address ${email}.`)
  const { send = false } = values
  const { url, mail_id, expires_at } = await createPasswordLink(cx, user.id, { send })
  if (user.status !== 'active') {
    console.error(`Note: ${email} is ${user.status}, and stays so after a new password was set.`)
  }
  noteIssuer(cx, values)
  return {
    text: url ?? `the link is in the outbox as ${mail_id}, and goes to ${user.email}`,
    json: { user_id: user.id, url, mail_id, expires_at },
  }
}

async function explainRefusal(reason: string): Promise<CommandAnswer> {
  const { SENTENCES } = await import('./refusal_sentences.ts')
  const [, sentence] = Object.entries(SENTENCES).find(([name]) => name === reason) ?? []
  if (sentence === undefined) throw new CannotStart(`The log has no reason "${reason}".`)
  return { text: sentence, json: { reason, sentence } }
}
