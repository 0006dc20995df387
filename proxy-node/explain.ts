// `allauth mproxy explain`: the answer of mProxy to a token and one PUBLISH or SUBSCRIBE, and the
// rule behind it. It asks the code that judges at the door: verifier.ts for the content of the
// token, gate.ts for client id and packet, and policy/explanation.ts for the rule. It holds the
// token against no key and no status list, and says so. The token comes from standard input or a
// file, since other users of a machine see command lines; nothing of it is printed but names, times
// and rules.
//
//   node proxy-node/explain.ts publish|subscribe TOPIC [--token-file F] [--client-id ID]
//     [--qos 0|1|2] [--retain] [--policy-file F] [--json]
//
// Settings are those of mProxy's environment. Exits with 0 where it is allowed, with 1 where it is
// not, with 2 where nothing could be judged.

import { createHash } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { text as textOf } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import type { AclRule, Qos } from '../policy/acl.ts'
import { type AclRequest, type Explanation, explainVerdict } from '../policy/explanation.ts'
import { parsePolicy } from '../policy/templates.ts'
import { describeFault, type ProxyConfig, readProxyConfig } from './config.ts'
import { judgeConnect, judgePublish, judgeSubscribe } from './gate.ts'
import { printable } from './operation/log.ts'
import { fetchFromIssuer, reachAt } from './tokens/issuer_fetch.ts'
import { parseObject, readJws } from './tokens/jws.ts'
import { policyOf, USUAL_AUDIENCE } from './tokens/reference_token.ts'
import {
  type ContentTrust,
  type Identity,
  judgeContent,
  TOKEN_TYPES,
  type VerificationFailure,
} from './tokens/verifier.ts'
import { NOT_AUTHORIZED, SUCCESS } from './wire/reason_codes.ts'

const USAGE = `npm run allauth -- mproxy explain publish|subscribe TOPIC   (the token on standard input)

  --token-file F    a file with the token
  --client-id ID    the MQTT client identifier that the client uses
  --qos 0|1|2       0 where nothing is said
  --retain          of a PUBLISH
  --policy-file F   of a small token: the policy document that it names; without it the issuer is asked
  --json            answer in JSON`

const DOCUMENT_MAX = 256 * 1024

/** A fault that a person puts right. */
class Misuse extends Error {}

/** Faults of a token that do not keep its rules from being explained. */
const PASSING: readonly VerificationFailure[] = [
  'expired',
  'not_yet_valid',
  'wrong_audience',
  'wrong_issuer',
  'bound_token',
]

type Answer = {
  allowed: boolean
  action: AclRequest['action']
  topic: string
  qos: Qos
  retain: boolean
  /** Reasons why mProxy lets the token in nowhere, in its words. */
  token: {
    sub: string
    client_id: string
    expires_at: number
    faults: VerificationFailure[]
    /** Thumbprint of the certificate that its connection has to prove; null: none. */
    certificate: string | null
    /** Nothing here proves the token; its signature and its status list are not looked at. */
    signature: 'not_checked'
  }
  /** Null: no client id was named. */
  client: { id: string; allowed: boolean; example: string } | null
  verdict: 'allowed' | 'allowed_in_part' | 'rule' | 'no_rule' | 'reserved' | 'bad_topic'
  /** The reason code of MQTT 5. */
  code: number
  /** `shadow`: the rules are told and not obeyed. */
  mode: 'enforce' | 'shadow'
  rules: number
} & Pick<Explanation, 'decides' | 'nearest'>

export async function explainPacket(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readInput: () => Promise<string>,
): Promise<{ answer: Answer; json: boolean }> {
  const { request, options } = readWords(words)
  const config = readSettings(env)
  const file = options['token-file']
  const token = (file === undefined ? await readInput() : readText(file)).trim()
  const { typ, claims } = readContent(token)
  const trust = await trustFor(config, claims, options['policy-file'])
  const { identity, faults } = judgeToken(typ, claims, trust, config)
  const clientId = options['client-id']
  const client = clientId === undefined ? null : judgeClientId(identity, clientId)
  const verdict = judgeRequest(identity, request, config)
  return {
    json: options.json === true,
    answer: {
      allowed: faults.length === 0 && client?.allowed !== false && verdict.code === SUCCESS,
      ...request,
      retain: request.action === 'publish' && request.retain,
      token: {
        sub: identity.sub,
        client_id: identity.client_id,
        expires_at: identity.expires_at,
        faults,
        certificate: identity.bound_to ?? null,
        signature: 'not_checked',
      },
      client,
      ...verdict,
      mode: config.limits.acl_mode,
      rules: identity.acl.rules.length,
    },
  }
}

function readWords(words: readonly string[]) {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(words)
  } catch (error) {
    throw new Misuse(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
  }
  const { values: options, positionals } = parsed
  const [action, topic, ...surplus] = positionals
  if ((action !== 'publish' && action !== 'subscribe') || topic === undefined) {
    throw new Misuse(USAGE)
  }
  if (surplus.length > 0) {
    // It may be the token, so it is not repeated.
    throw new Misuse(
      'there are more words than action and topic; the token comes on standard input or by --token-file, ' +
        'since others on this machine see command lines',
    )
  }
  const qos = Number(options.qos ?? '0')
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new Misuse('--qos is 0, 1 or 2')
  const retain = options.retain === true
  if (retain && action === 'subscribe') throw new Misuse('--retain is of a PUBLISH')
  const request: AclRequest =
    action === 'publish' ? { action, topic, qos, retain } : { action, topic, qos }
  return { request, options }
}

const parse = (words: readonly string[]) =>
  parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      'token-file': { type: 'string' },
      'client-id': { type: 'string' },
      qos: { type: 'string' },
      retain: { type: 'boolean' },
      'policy-file': { type: 'string' },
      json: { type: 'boolean' },
    },
  })

/** The broker is not asked for anything, so it need not be named here. */
function readSettings(env: Readonly<Record<string, string | undefined>>): ProxyConfig {
  const { MQTT_UPSTREAM } = env
  const reading = readProxyConfig({ ...env, MQTT_UPSTREAM: MQTT_UPSTREAM || 'mqtt://127.0.0.1' })
  if (!reading.ok) throw new Misuse(reading.faults.map(describeFault).join('\n'))
  return reading.config
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Misuse(`${file} cannot be read (${code})`)
  }
}

function readContent(token: string): { typ: string; claims: Record<string, unknown> } {
  if (token === '') throw new Misuse('there is no token on standard input')
  const jws = readJws(token, TOKEN_TYPES, 8192)
  const claims = typeof jws === 'string' ? undefined : parseObject(jws.payload)
  if (typeof jws === 'string' || claims === undefined) {
    const reason = typeof jws === 'string' ? jws : 'malformed'
    throw new Misuse(`this is no access token that mProxy reads (${reason})`)
  }
  return { typ: jws.typ, claims }
}

/** The issuer whose bounds hold, with the one policy document that the token may name. */
async function trustFor(
  config: ProxyConfig,
  claims: Record<string, unknown>,
  policyFile: string | undefined,
): Promise<ContentTrust> {
  const bound = config.foreignIssuers.find(({ issuer }) => issuer === claims['iss'])
  const { issuer, issuerAddress: address } = bound ?? config
  const hash = policyOf(claims)
  const text =
    hash === null
      ? null
      : policyFile !== undefined
        ? readText(policyFile)
        : await fetchPolicy(issuer, address, hash)
  const content = text === null ? null : contentOf(text, hash ?? '')
  const templates = content === null ? null : parsePolicy(content)
  if (hash !== null && templates === null) {
    throw new Misuse(`the document is not the one with the hash ${hash} that the token names`)
  }
  return {
    issuer,
    audience: bound?.audience ?? config.audience,
    bound,
    policies: { find: (one) => (one === hash ? (templates ?? undefined) : undefined) },
  }
}

/** Only from the issuer of the settings: a token alone may lead nobody anywhere. */
async function fetchPolicy(issuer: string, address: string | undefined, hash: string) {
  const uri = `${issuer.replace(/\/$/, '')}/policies/${hash}`
  const options = {
    accept: 'application/policy+jwt',
    bytes_max: DOCUMENT_MAX,
    closing: new AbortController().signal,
  }
  const { text } = await fetchFromIssuer(reachAt(issuer, address)(uri), options).catch(() => {
    throw new Misuse(
      `the policy document is not at ${uri}: set ISSUER, or give it with --policy-file`,
    )
  })
  return text ?? ''
}

/** The text that the hash is of: the document itself, or the signed one around it. */
function contentOf(text: string, hash: string): string | null {
  const jws = readJws(text.trim(), ['policy+jwt'], DOCUMENT_MAX)
  const inner = typeof jws === 'string' ? undefined : parseObject(jws.payload)?.['policy']
  const found = [inner, text, text.trim()].find(
    (one) =>
      typeof one === 'string' && createHash('sha256').update(one).digest('base64url') === hash,
  )
  return typeof found === 'string' ? found : null
}

/** The verifier's words on the content, one after the other: a fault that passes hides no other. */
function judgeToken(
  typ: string,
  claims: Record<string, unknown>,
  trust: ContentTrust,
  { clientIdRule }: ProxyConfig,
): { identity: Identity; faults: VerificationFailure[] } {
  const faults: VerificationFailure[] = []
  const terms = { prefixes: [], clientIdRule }
  let content = claims
  let now = Date.now()
  let { issuer, audience } = trust
  for (;;) {
    const judged = judgeContent(typ, content, { ...trust, issuer, audience }, terms, now, '')
    if (judged.ok) return { identity: judged.identity, faults }
    const { reason } = judged
    if (!PASSING.includes(reason) || faults.includes(reason)) {
      throw new Misuse(`mProxy would read nothing more in this token: ${reason}`)
    }
    faults.push(reason)
    const { iss, aud, exp, nbf, iat, cnf: _, ...rest } = content
    if (reason === 'expired') now = 1000 * Number(exp) - 1
    // A token that has run out and begins later says nothing that could be judged by time.
    if (reason === 'not_yet_valid') now = 1000 * Math.max(Number(nbf ?? 0), Number(iat ?? 0))
    if (reason === 'wrong_issuer') issuer = String(iss)
    if (reason === 'wrong_audience') {
      audience = String((Array.isArray(aud) ? aud[0] : aud) ?? USUAL_AUDIENCE)
    }
    if (reason === 'bound_token') content = { ...rest, iss, aud, exp, nbf, iat }
  }
}

function judgeClientId(identity: Identity, id: string): Answer['client'] {
  const ask = (clientId: string) =>
    judgeConnect(
      {
        version: 5,
        clean: true,
        keepAlive: 0,
        clientId,
        username: identity.username,
        password: undefined,
        will: undefined,
        sessionExpiry: 0,
        maximumPacketSize: 0,
        authenticationMethod: undefined,
        authenticationData: undefined,
        properties: Buffer.alloc(0),
      },
      identity,
      'x',
    )
  const assigned = ask('')
  return { id, allowed: ask(id).ok, example: assigned.ok ? assigned.clientId : identity.principal }
}

function judgeRequest(
  { acl }: Identity,
  request: AclRequest,
  { limits }: ProxyConfig,
): Pick<Answer, 'verdict' | 'code' | 'decides' | 'nearest'> {
  const { topic, qos } = request
  const judge = (rules: typeof acl | null) =>
    request.action === 'publish'
      ? judgePublish(rules, topic, qos, request.retain, undefined, limits)
      : judgeSubscribe(rules, [topic], [qos], limits)[0]!
  const code = judge(acl)
  const { decides, nearest } = explainVerdict(acl.rules, request)
  const explained = { code, decides, nearest }
  if (code === SUCCESS) {
    return { verdict: decides === null ? 'allowed_in_part' : 'allowed', ...explained }
  }
  // Refused by no rule: by the form of the topic, or since it is mProxy's own.
  const without = judge(null)
  if (without !== SUCCESS) {
    const verdict = without === NOT_AUTHORIZED ? 'reserved' : 'bad_topic'
    return { verdict, code, decides: null, nearest: null }
  }
  return { verdict: decides === null ? 'no_rule' : 'rule', ...explained }
}

const LACKING: Record<NonNullable<Explanation['nearest']>['lacking'][number], string> = {
  action: 'it is for the other direction',
  qos: 'it is for another QoS',
  retain: 'it is for another value of retain',
  part: 'it allows a part of the filter alone (MQTT_PARTIAL_FILTERS)',
  topic: 'its topics are others',
}

const describeRule = (rule: AclRule, place: number): string =>
  `rule ${place + 1}: ${JSON.stringify(rule)}`

/** Lines for a person. Names in a token may be anything, so they are quoted. */
export function describeAnswer(answer: Answer): string {
  const { action, topic, qos, retain, token, client, decides, nearest, code } = answer
  const lines = [
    `${answer.allowed ? 'allowed' : 'REFUSED'}: ${action} ${JSON.stringify(topic)} at QoS ${qos}${retain ? ', retained' : ''}`,
    `  by a token of ${JSON.stringify(token.sub)}, until ${new Date(1000 * token.expires_at).toISOString()}; its signature is not checked here`,
  ]
  for (const fault of token.faults) lines.push(`  the token: ${fault}`)
  if (token.certificate !== null) {
    lines.push(`  only on a connection with the client certificate ${token.certificate} (x5t#S256)`)
  }
  if (client !== null && !client.allowed) {
    lines.push(
      `  the client id ${JSON.stringify(client.id)} is not its own; one is ${JSON.stringify(client.example)}`,
    )
  }
  if (answer.verdict === 'reserved') lines.push('  topics below $allauth/ are mProxy’s own')
  if (answer.verdict === 'bad_topic') {
    lines.push(
      `  no rule is asked: the topic is malformed, too deep, or read otherwise by the broker (0x${code.toString(16)})`,
    )
  }
  if (decides !== null) lines.push(`  decided by ${describeRule(decides.rule, decides.place)}`)
  if (answer.verdict === 'no_rule')
    lines.push(`  none of ${answer.rules} rules decides, so it is denied`)
  if (nearest !== null) {
    lines.push(`  nearest is ${describeRule(nearest.rule, nearest.place)}`)
    for (const one of nearest.lacking) lines.push(`    ${LACKING[one]}`)
  }
  if (answer.mode === 'shadow')
    lines.push('  in shadow mode the rules refuse nothing (MQTT_ACL_MODE)')
  return lines.join('\n')
}

// Node 24.0 does not know `import.meta.main`, and nothing done would be exit code 0: allowed.
const [, started] = process.argv
if (started !== undefined && realpathSync(started) === import.meta.filename) {
  try {
    const readInput = async () => {
      // A terminal takes lines of 4,095 characters: longer tokens come from a file.
      if (process.stdin.isTTY) process.stderr.write('the token, then Enter and Ctrl-D:\n')
      return textOf(process.stdin)
    }
    const { answer, json } = await explainPacket(process.argv.slice(2), process.env, readInput)
    process.stdout.write(`${printable(json ? JSON.stringify(answer) : describeAnswer(answer))}\n`)
    process.exitCode = answer.allowed ? 0 : 1
  } catch (error) {
    if (!(error instanceof Misuse)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 2
  }
}
