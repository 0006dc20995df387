// `allauth device claim-code`: a code by which a person claims one device.
// `allauth qr`: a sheet to print with a code for each unclaimed device of a batch.
import { type FileHandle, open, rm } from 'node:fs/promises'
import { html } from 'hono/html'
import { raw } from 'hono/utils/html'
import { renderSVG } from 'uqr'
import type { Context } from '../../context.ts'
import { claimCodeInput, createClaimCode } from '../../devices/claiming/claim_code.ts'
import { devicesOfImport, type PrintedCode, printCodes } from '../../devices/claiming/code_sheet.ts'
import { devicesQuery, listDevices } from '../../devices/listing/device_list.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'
import { DEVICE_FILTERS } from './registry.ts'
import { filterOf, judged } from './registry_words.ts'

type Options = {
  'expires-in'?: string | undefined
  filter?: string[] | undefined
  file?: string | undefined
}

const FILE = 'claim-codes.html'
const PAGE = 100

const secondsIn = ({ 'expires-in': text }: Options): number =>
  judged(claimCodeInput, text === undefined ? {} : { expires_in: Number(text) }).expires_in

export async function deviceClaimCode(
  cx: Context,
  id: string,
  options: Options,
): Promise<CommandAnswer> {
  const made = await createClaimCode(cx, id, { expires_in: secondsIn(options) })
  return { text: `${made.claim_code}\n${made.claim_uri}`, json: made }
}

/** The file is for its owner alone, and none that is there is overwritten: it may have codes. */
export async function codeSheet(
  cx: Context,
  words: readonly string[],
  options: Options,
): Promise<CommandAnswer> {
  const [job, ...surplus] = words
  const { filter = [], file = FILE } = options
  if (surplus.length > 0 || (job === undefined) === (filter.length === 0)) {
    throw new CannotStart('Say which devices: the id of an import, or --filter NAME=VALUE.')
  }
  const expires_in = secondsIn(options)
  const pages = job === undefined ? devicesOfFilter(cx, options) : devicesOfImport(cx, job)
  const sheet = await newFile(file)
  let codes = 0
  try {
    await sheet.write(HEAD)
    for await (const ids of pages) {
      const printed = await printCodes(cx, ids, expires_in)
      codes += printed.length
      await sheet.write(printed.map(label).join(''))
    }
    await sheet.write(FOOT)
  } finally {
    await sheet.close()
  }
  if (codes === 0) {
    await rm(file)
    throw new CannotStart('None of these devices is unclaimed and of a type that people claim.')
  }
  return {
    text: `${codes} new codes are in ${file}; codes of before of these devices are dead`,
    json: { file, codes },
  }
}

async function newFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'wx', 0o600)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    throw new CannotStart(`There is a file ${file}: it may have codes. Say --file F.`)
  }
}

async function* devicesOfFilter(cx: Context, options: Options): AsyncGenerator<string[]> {
  const filter = filterOf(options, DEVICE_FILTERS)
  for (let cursor: string | null = ''; cursor !== null; ) {
    const more = cursor === '' ? {} : { cursor }
    const query = judged(devicesQuery, { ...filter, limit: String(PAGE), ...more })
    const page = await listDevices(cx, query)
    yield page.items.map(({ id }) => id)
    cursor = page.next_cursor
  }
}

// --- the sheet --------------------------------------------------------------------------------

const HEAD = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="robots" content="noindex">
<title>Claim codes</title>
<style>
@page { size: A4; margin: 10mm; }
body { margin: 0; font: 9pt/1.3 system-ui, sans-serif; color: #000; background: #fff; }
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4mm; }
section { display: grid; justify-items: center; padding: 3mm; border: 0.2mm dashed #777; break-inside: avoid; text-align: center; }
svg { width: 34mm; height: 34mm; }
strong { font-size: 10pt; }
code { font: 600 9pt/1.3 ui-monospace, Consolas, monospace; white-space: nowrap; }
p { margin: 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
`

const FOOT = `</main>
</body>
</html>
`

const label = ({ id, type, name, serial, claim_code, claim_uri }: PrintedCode): string =>
  `${html`<section>
${raw(renderSVG(claim_uri, { border: 2 }))}
<p><strong>${serial ?? id}</strong></p>
<p>${name ?? type}</p>
<p><code>${claim_code}</code></p>
</section>
`}`
