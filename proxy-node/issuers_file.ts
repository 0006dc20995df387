// Further issuers whose tokens count: a JSON file that ISSUERS_FILE names, read and checked whole.
// Each has a space of MQTT client ids and an upper bound of topics, so that no mistake of an issuer
// reaches beyond what was meant for it. Every problem is said at once, with its place.

import { readFileSync, statSync } from 'node:fs'
import { parseRule } from '../policy/acl.ts'
import { quote, type Reading, readIssuer, readJwksUri, showAddress } from './addresses.ts'

export type ForeignIssuer = {
  issuer: string
  /** undefined: it is reached under its name. */
  issuerAddress: string | undefined
  jwksUri: string | undefined
  /** undefined: that of the main issuer. */
  audience: string | undefined
  /** Client ids are `PREFIX::SUB` and `PREFIX::SUB:SUFFIX`: no id of the main issuer has `::`. */
  client_id_prefix: string
  /** Topic filters that its rules are kept within. */
  topics: string[]
}

const FILE_MAX = 262_144
const ISSUERS_MAX = 16
const TOPICS_MAX = 32
const MEMBERS = ['issuer', 'issuer_address', 'jwks_uri', 'audience', 'client_id_prefix', 'topics']

export function readAudience(text: string): Reading<string> {
  if (text.length > 255 || !/^[\x21-\x7e]+$/.test(text)) {
    return { problem: `${showAddress(text)} is not one name of 1 to 255 printable characters` }
  }
  return { value: text }
}

export function readIssuersFile(path: string): Reading<ForeignIssuer[]> {
  let content: unknown
  try {
    const seen = statSync(path)
    if (!seen.isFile() || seen.size > FILE_MAX) {
      return { problem: `${quote(path)} is not a file of at most ${FILE_MAX} bytes` }
    }
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const { code } = error as { code?: string }
    const problem = code === undefined ? 'is not JSON' : `cannot be read (${code})`
    return { problem: `${quote(path)} ${problem}` }
  }
  if (!Array.isArray(content) || content.length > ISSUERS_MAX) {
    return { problem: `${quote(path)} is not a list of at most ${ISSUERS_MAX} issuers` }
  }
  const issuers: ForeignIssuer[] = []
  const problems: string[] = []
  for (const [at, entry] of (content as unknown[]).entries()) {
    const say = (problem: string) => problems.push(`in entry ${at + 1} ${problem}`)
    const issuer = readEntry(entry, say)
    if (issuer === undefined) continue
    if (issuers.some((one) => one.issuer === issuer.issuer)) say('the issuer is there twice')
    if (issuers.some((one) => one.client_id_prefix === issuer.client_id_prefix)) {
      say('client_id_prefix is that of another issuer')
    }
    issuers.push(issuer)
  }
  return problems.length > 0 ? { problem: problems.join(', and ') } : { value: issuers }
}

/** undefined where something was said. */
function readEntry(entry: unknown, say: (problem: string) => void): ForeignIssuer | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    say('there is no object')
    return undefined
  }
  let isGood = true
  const fail = (problem: string) => {
    isGood = false
    say(problem)
  }
  const members = entry as Record<string, unknown>
  for (const name of Object.keys(members)) {
    // A bound that is misspelt would be none.
    if (!MEMBERS.includes(name)) fail(`${quote(name)} is no member that is known`)
  }
  function text(name: string, read: (text: string) => Reading<string>): string | undefined {
    const value = members[name]
    if (value === undefined) return undefined
    const reading = typeof value === 'string' ? read(value) : { problem: 'is not a text' }
    if ('value' in reading) return reading.value
    fail(`${name}: ${reading.problem}`)
    return undefined
  }
  for (const name of ['issuer', 'client_id_prefix', 'topics']) {
    if (members[name] === undefined) fail(`${name} is required`)
  }
  const issuer = {
    issuer: text('issuer', readIssuer) ?? '',
    issuerAddress: text('issuer_address', readIssuer),
    jwksUri: text('jwks_uri', readJwksUri),
    audience: text('audience', readAudience),
    client_id_prefix: text('client_id_prefix', readPrefix) ?? '',
    topics: readTopics(members['topics'], fail),
  }
  return isGood ? issuer : undefined
}

const readPrefix = (text: string): Reading<string> =>
  /^[A-Za-z0-9._~-]{1,32}$/.test(text)
    ? { value: text }
    : { problem: `${quote(text)} is not 1 to 32 of A-Z a-z 0-9 . _ ~ -` }

function readTopics(value: unknown, fail: (problem: string) => void): string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length === 0 || value.length > TOPICS_MAX) {
    fail(`topics is not a list of 1 to ${TOPICS_MAX} topic filters`)
    return []
  }
  const topics: string[] = []
  for (const topic of value as unknown[]) {
    const read = parseRule({ permission: 'allow', action: 'all', topic })
    if ('rule' in read) topics.push(read.rule.topic)
    else fail(`a topic ${read.fault.replace(/^\.topic /, '')}`)
  }
  return topics
}
