// The command `linking-check`: tries at a running linking server all that a vendor of a voice
// assistant demands. The check has to sign in and to show a secret. So a person with a random
// password and a secret that runs out are put into the database, and always taken away at the end.
// Files: rules.ts has the rules, vendor.ts plays the vendor, form_browser.ts the browser of a
// person.
// Owns no table, writes through oauth/ and identity/, and leaves the rules to rules.ts.
import type { Context } from '../../context.ts'
import { randomToken } from '../../crypto.ts'
import { createUser, removeUser } from '../../identity/users.ts'
import { addSecret, removeSecret } from '../../oauth/clients/client_secrets.ts'
import { type Client, findClientById, parseClient } from '../../oauth/clients/clients.ts'
import { type Preset, presetSchema, VENDORS, vendorAddresses } from '../../oauth/clients/presets.ts'
import { CannotStart } from '../cannot_start.ts'
import { type Finding, tryLinking } from './rules.ts'
import type { Endpoints } from './vendor.ts'

/** Seconds for which the secret counts if this program is killed before it takes it away. */
const SECRET_TTL = 900

export type Checked = { client_id: string; vendor: string; findings: Finding[] }

/** Throws CannotStart when there is nothing to check. */
export async function checkLinking(
  cx: Context,
  client_id: string,
  issuer: string,
  signal: AbortSignal,
): Promise<Checked> {
  const [row] = await cx.db.read(findClientById(client_id))
  if (row === undefined) throw new CannotStart(`There is no client ${client_id}.`)
  const client = parseClient(row)
  if (client.status !== 'active') throw new CannotStart(`The client ${client_id} is disabled.`)
  const preset = client.preset ?? guessPreset(client)
  if (preset === null) {
    throw new CannotStart(
      `The client ${client_id} has neither a preset nor an address of a vendor: see docs/linking.md.`,
    )
  }
  const endpoints = await discover(issuer, signal)
  const email = `linking-check-${randomToken(cx, 9)}@linking-check.invalid`.toLowerCase()
  const password = randomToken(cx)
  const expires_at = cx.now() + SECRET_TTL
  const { secret, client_secret } = await addSecret(cx, row, { expires_at })
  try {
    const name = 'Linking check (may be deleted)'
    const user = await createUser(fresh(cx), { email, password, name, email_verified: true })
    try {
      const person = { username: email, password }
      const findings = await tryLinking(
        endpoints,
        { client, preset, client_secret },
        person,
        signal,
      )
      return { client_id, vendor: VENDORS[preset.name].title, findings }
    } finally {
      await removeUser(fresh(cx), user.id, null)
    }
  } finally {
    await removeSecret(fresh(cx), secret)
  }
}

/** The context of another request, since a `rid` is for one write. */
const fresh = (cx: Context): Context => ({ ...cx, rid: crypto.randomUUID() })

/** The preset that a client without one should have. */
function guessPreset({ redirect_uris }: Client): Preset | null {
  for (const uri of redirect_uris) {
    const last = uri.slice(uri.lastIndexOf('/') + 1)
    for (const guess of [
      { name: 'google-home', project_id: last },
      { name: 'alexa', vendor_id: last },
    ]) {
      const { data } = presetSchema.safeParse(guess)
      if (data !== undefined && vendorAddresses(data).includes(uri)) return data
    }
  }
  return null
}

async function discover(issuer: string, signal: AbortSignal): Promise<Endpoints> {
  let metadata: Record<string, unknown>
  try {
    const url = `${issuer}/.well-known/openid-configuration`
    const answer = await fetch(url, { signal, redirect: 'error' })
    metadata = (await answer.json()) as Record<string, unknown>
  } catch (error) {
    const reason = error instanceof Error ? (error.cause ?? error.message) : error
    throw new CannotStart(
      `${issuer} does not answer (${reason}). Is it running? Else say --issuer URL.`,
    )
  }
  if (metadata['issuer'] !== issuer) {
    throw new CannotStart(`The server at ${issuer} calls itself ${metadata['issuer']}.`)
  }
  const named = (name: string) => String(metadata[name])
  return {
    issuer,
    authorize: named('authorization_endpoint'),
    token: named('token_endpoint'),
    revoke: named('revocation_endpoint'),
    introspect: named('introspection_endpoint'),
    userinfo: named('userinfo_endpoint'),
  }
}

const MARKS = { pass: 'pass', warn: 'warn', fail: 'FAIL', not_reached: '  - ' }

/** The report for people. */
export function describeChecked({ client_id, vendor, findings }: Checked): string {
  const lines = findings.map(({ result, title, detail }) =>
    [`${MARKS[result]}  ${title}`, ...(detail === undefined ? [] : [`      ${detail}`])].join('\n'),
  )
  const failed = findings.filter(({ result }) => result === 'fail').length
  const count = failed === 1 ? 'One rule is broken.' : `${failed} rules are broken.`
  return [
    `${client_id}, as ${vendor} uses it:`,
    '',
    ...lines,
    '',
    failed === 0 ? `${vendor} can link accounts here.` : count,
    'A person and a secret were made for this, and are deleted again.',
  ].join('\n')
}

export const isPassed = ({ findings }: Checked): boolean =>
  findings.every(({ result }) => result === 'pass' || result === 'warn')
