// `allauth device import`: devices out of a file, read as it is imported.
// `allauth claim-token create`: a token by which devices come in by themselves.
import { createReadStream, existsSync } from 'node:fs'
import type { Context } from '../../context.ts'
import { claimTokenInput, createClaimToken } from '../../devices/getting_in/claim_tokens.ts'
import { importDevices } from '../../devices/getting_in/device_import.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

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
export async function deviceImport(
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

type TokenOptions = {
  type?: string | undefined
  group?: string[] | undefined
  name?: string | undefined
  again?: string | undefined
  'max-uses'?: string | undefined
  'expires-in'?: string | undefined
}

export async function claimTokenCreate(cx: Context, options: TokenOptions): Promise<CommandAnswer> {
  const { type, group = [], name, again } = options
  const number = (text: string | undefined) => (text === undefined ? null : Number(text))
  const uses = number(options['max-uses'])
  const expires_in = number(options['expires-in'])
  const judged = claimTokenInput.safeParse({
    type,
    ...(group[0] === undefined ? {} : { group: group[0] }),
    ...(name === undefined ? {} : { name }),
    ...(again === undefined ? {} : { again }),
    ...(uses === null ? {} : { uses }),
    ...(expires_in === null ? {} : { expires_in }),
  })
  if (!judged.success) {
    const faults = judged.error.issues.map((one) => `  ${one.path.join('.')}: ${one.message}`)
    throw new CannotStart(`The claim token cannot be so:\n${faults.join('\n')}`)
  }
  const made = await createClaimToken(cx, judged.data)
  return { text: made.claim_token, json: made }
}
