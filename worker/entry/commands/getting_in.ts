// `allauth device import`: devices out of a file, read as it is imported.
// `allauth claim-token`: tokens by which devices come in by themselves.
import { createReadStream, existsSync } from 'node:fs'
import type { Context } from '../../context.ts'
import {
  claimTokenInput,
  createClaimToken,
  getClaimToken,
  listClaimTokens,
  revokeClaimToken,
} from '../../devices/getting_in/claim_tokens.ts'
import { importDevices } from '../../devices/getting_in/device_import.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'
import {
  type Command,
  idIn,
  judged,
  noneIn,
  numberIn,
  paged,
  pageIn,
  shown,
} from './registry_words.ts'

type Line = {
  line?: number
  result?: string
  job?: string
  resume?: string
  errors?: { pointer: string; detail: string }[]
  summary?: Record<string, number>
  id?: string | null
  claim_code?: string
  claim_uri?: string
}

/** Most rows that failed which the answer names. */
const NAMED_MAX = 1000

type ImportOptions = {
  'dry-run'?: boolean | undefined
  resume?: string | undefined
  json?: boolean | undefined
}

/** Rows that fail go to standard error as they are met; the exit code is 1 where one failed. */
async function deviceImport(
  cx: Context,
  file: string,
  { 'dry-run': dry_run = false, resume, json = false }: ImportOptions,
): Promise<CommandAnswer> {
  if (!existsSync(file)) throw new CannotStart(`There is no file ${file}.`)
  const format = file.endsWith('.csv') ? 'text/csv' : 'application/x-ndjson'
  const answer = await importDevices(cx, createReadStream(file), { format, dry_run, resume })
  const failed: Line[] = []
  const codes: { id: string | null; claim_code: string; claim_uri: string }[] = []
  let job: string | undefined
  let goOn: string | undefined
  let summary: Record<string, number> = {}
  for await (const line of linesOf(answer)) {
    job = line.job ?? job
    goOn = line.resume ?? goOn
    summary = line.summary ?? summary
    // A code is shown here alone, so each goes out, and those of the answer are whole.
    if (line.claim_code !== undefined) {
      const { id = null, claim_code, claim_uri = '' } = line
      if (json) codes.push({ id, claim_code, claim_uri })
      else console.log(`${id} ${claim_code} ${claim_uri}`)
    }
    if (line.result !== 'failed') continue
    const reasons = (line.errors ?? []).map(({ pointer, detail }) => `${pointer} ${detail}`.trim())
    console.error(`line ${line.line}: ${reasons.join('; ')}`)
    if (failed.length < NAMED_MAX) failed.push(line)
  }
  const counts = Object.entries(summary).map(([name, count]) => `${count} ${name}`)
  return {
    text: `${dry_run ? 'dry run, nothing is stored: ' : ''}${counts.join(', ')}`,
    json: { job, dry_run, summary, failed, claim_codes: codes, resume: goOn ?? null },
    code: (summary['failed'] ?? 0) > 0 ? 1 : 0,
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Line> {
  const utf8 = new TextDecoder()
  let rest = ''
  for await (const piece of stream) {
    const lines = (rest + utf8.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line) as Line
  }
}

export const GETTING_IN_COMMANDS = {
  'device import': (cx, words, options) => deviceImport(cx, idIn(words), options),
  async 'claim-token create'(cx, words, options) {
    noneIn(words)
    const { type, group = [], name, again } = options
    const uses = numberIn('max-uses', options['max-uses'])
    const expires_in = numberIn('expires-in', options['expires-in'])
    const input = judged(claimTokenInput, {
      type,
      ...(group[0] === undefined ? {} : { group: group[0] }),
      ...(name === undefined ? {} : { name }),
      ...(again === undefined ? {} : { again }),
      ...(uses === undefined ? {} : { uses }),
      ...(expires_in === undefined ? {} : { expires_in }),
    })
    const made = await createClaimToken(cx, input)
    return { text: made.claim_token, json: made }
  },
  'claim-token list': async (cx, _, options) => paged(await listClaimTokens(cx, pageIn(options))),
  'claim-token get': async (cx, words) => shown(await getClaimToken(cx, idIn(words))),
  'claim-token revoke': async (cx, words, { keep = false }) =>
    shown(await revokeClaimToken(cx, idIn(words), keep ? 'keep' : 'suspend')),
} satisfies Record<string, Command>
