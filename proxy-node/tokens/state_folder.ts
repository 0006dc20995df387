// Documents of issuers that are kept on disk over a restart (STATE_DIR): key sets, token status
// lists, policies. Owns the files: how they are written, and which are believed when they are read
// at start. The meaning of a text is left to jwks.ts, status_lists.ts and policies.ts, which judge
// it again as if it had just come.
//
// A key set on disk says who is believed. So a file counts only if nobody else can have written it,
// if it is whole, and if it says when and from which issuer it came. Nothing here stops mProxy: a
// file that does not count is passed over, and a disk that is full or gone costs the memory of a
// later restart.

import { createHash } from 'node:crypto'
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

export type KeptKind = 'keys' | 'list' | 'policy'

/** For how long a document on disk is looked at, in ms. An older list still says who ended. */
const KEPT_MS: Record<KeptKind, number> = {
  keys: 24 * 3600_000,
  policy: 24 * 3600_000,
  list: 30 * 24 * 3600_000,
}
/** The largest document is a status list. */
const FILE_MAX = 4 * 1024 * 1024 + 4096
const FILES_MAX = 4096
/** A file of this name was being written when the process died. */
const UNFINISHED = /^\..*\.new$/
const UNFINISHED_MS = 600_000
const FINISHED = /^(?:keys|list|policy)-[0-9a-f]{64}$/
const LEEWAY_MS = 30_000

export type KeptDocument = {
  /** Address or hash; for a key set the issuer. */
  name: string
  text: string
  /** Epoch ms: when the issuer gave it, or last confirmed it. */
  fetched_at: number
}

/** Reasons why a file does not count; and those of jwks.ts and its neighbours. */
export type KeptFault =
  | 'unreadable'
  | 'too_large'
  | 'writable_by_others'
  /** It is cut, or other bytes than were written. */
  | 'malformed'
  | 'wrong_issuer'
  | 'from_the_future'
  | 'outdated'

export type PassedOver = { file: string; fault: string }

/** The place of one issuer's documents. */
export type Keeper = {
  /** Those that were read at start; once, and then they are forgotten here. */
  take(kind: KeptKind): KeptDocument[]
  /** The text of a document that was taken is not what it should be. */
  passOver(kind: KeptKind, name: string, fault: string): void
  keep(kind: KeptKind, document: KeptDocument): void
  /** Says that a document is good as of now, without its text. */
  confirm(kind: KeptKind, name: string, fetched_at: number): void
}

export type StateFolder = {
  of(issuer: string): Keeper
  /** Resolves when all is written that was kept until now. */
  written(): Promise<void>
}

export type StateFolderOptions = {
  /** undefined: nothing is kept. */
  folder: string | undefined
  issuers: readonly string[]
  /** Epoch ms. */
  now?: () => number
  onPassedOver?: (passed: PassedOver) => void
  /** undefined: it was written. Else a code like ENOSPC. */
  onWrite?: (fault: string | undefined) => void
}

type Head = { issuer: string; kind: KeptKind; name: string; fetched_at: number; sha256: string }
type Found = Head & { text: string }
type Job = { kind: KeptKind; issuer: string; name: string; fetched_at: number; text?: string }

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
const fileOf = ({ kind, issuer, name }: Omit<Head, 'fetched_at' | 'sha256'>): string =>
  `${kind}-${hashOf(`${issuer}\n${name}`)}`
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? 'unknown'

class KeptError extends Error {
  readonly fault: KeptFault
  constructor(fault: KeptFault) {
    super(fault)
    this.fault = fault
  }
}

export async function openStateFolder(options: StateFolderOptions): Promise<StateFolder> {
  const { folder, issuers, now = Date.now, onPassedOver, onWrite } = options
  const found = folder === undefined ? [] : await readFolder(folder, issuers, now(), onPassedOver)
  /** By file, so that of several texts of one document the last is written. */
  const waiting = new Map<string, Job>()
  let writing: Promise<void> | undefined
  let written = 0

  async function writeAll(to: string): Promise<void> {
    for (;;) {
      const [next] = waiting
      if (next === undefined) {
        writing = undefined // in the same turn, so that none is queued behind the last look
        return
      }
      const [file, job] = next
      waiting.delete(file)
      try {
        const text = job.text ?? (await readFile(join(to, file))).text
        await writeFile(to, file, { ...job, text }, `${process.pid}-${++written}`)
        onWrite?.(undefined)
      } catch (error) {
        // To confirm a file that is gone, or that is no good, is of no use.
        if (job.text !== undefined) onWrite?.(codeOf(error))
      }
    }
  }

  function queue(job: Job): void {
    if (folder === undefined) return
    const file = fileOf(job)
    const before = waiting.get(file)
    if (job.text === undefined && before?.text !== undefined) job.text = before.text
    waiting.set(file, job)
    writing ??= Promise.resolve().then(() => writeAll(folder))
  }

  return {
    of: (issuer) => ({
      take(kind) {
        const taken: KeptDocument[] = []
        for (let at = found.length - 1; at >= 0; at--) {
          const one = found[at]!
          if (one.issuer !== issuer || one.kind !== kind) continue
          found.splice(at, 1)
          taken.push({ name: one.name, text: one.text, fetched_at: one.fetched_at })
        }
        return taken
      },
      passOver: (kind, name, fault) =>
        onPassedOver?.({ file: fileOf({ kind, issuer, name }), fault }),
      keep: (kind, document) => queue({ kind, issuer, ...document }),
      confirm: (kind, name, fetched_at) => queue({ kind, issuer, name, fetched_at }),
    }),
    async written() {
      await writing
    },
  }
}

async function readFolder(
  folder: string,
  issuers: readonly string[],
  now: number,
  onPassedOver: ((passed: PassedOver) => void) | undefined,
): Promise<Found[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    // ENOENT: this is the first start.
    if (codeOf(error) !== 'ENOENT') onPassedOver?.({ file: folder, fault: codeOf(error) })
    return []
  }
  const found: Found[] = []
  for (const name of names.slice(0, FILES_MAX)) {
    const path = join(folder, name)
    try {
      if (UNFINISHED.test(name)) {
        if (now - (await lstat(path)).mtimeMs > UNFINISHED_MS) await unlink(path)
        continue
      }
      if (!FINISHED.test(name)) continue
      const one = await readFile(path)
      if (fileOf(one) !== name) throw new KeptError('malformed')
      if (!issuers.includes(one.issuer)) throw new KeptError('wrong_issuer')
      if (one.fetched_at > now + LEEWAY_MS) throw new KeptError('from_the_future')
      if (now - one.fetched_at >= KEPT_MS[one.kind]) {
        await unlink(path)
        throw new KeptError('outdated')
      }
      found.push(one)
    } catch (error) {
      onPassedOver?.({ file: name, fault: error instanceof KeptError ? error.fault : 'unreadable' })
    }
  }
  return found
}

/** A head of one line in JSON, and behind it the text as it came. */
async function readFile(path: string): Promise<Found> {
  const seen = await lstat(path)
  // A pipe or a device would keep the start waiting.
  if (!seen.isFile()) throw new KeptError('unreadable')
  if (seen.size > FILE_MAX) throw new KeptError('too_large')
  const handle = await open(path, 'r')
  let whole: string
  try {
    const { mode, uid } = await handle.stat()
    const mine = process.getuid?.()
    const isForeign = mine !== undefined && uid !== mine
    if (isForeign || (mode & 0o022) !== 0) throw new KeptError('writable_by_others')
    whole = await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
  const end = whole.indexOf('\n')
  const head = end < 0 ? undefined : readHead(whole.slice(0, end))
  const text = whole.slice(end + 1)
  if (head === undefined || head.sha256 !== hashOf(text)) throw new KeptError('malformed')
  return { ...head, text }
}

function readHead(line: string): Head | undefined {
  let head: unknown
  try {
    head = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof head !== 'object' || head === null) return undefined
  const { issuer, kind, name, fetched_at, sha256 } = head as Record<string, unknown>
  if (kind !== 'keys' && kind !== 'list' && kind !== 'policy') return undefined
  if (typeof issuer !== 'string' || typeof name !== 'string') return undefined
  if (typeof fetched_at !== 'number' || !(fetched_at >= 0) || typeof sha256 !== 'string') {
    return undefined
  }
  return { issuer, kind, name, fetched_at, sha256 }
}

/** Whole or not at all, also when the power goes: a new file, on the disk, then renamed. */
async function writeFile(
  folder: string,
  file: string,
  { issuer, kind, name, fetched_at, text }: Required<Job>,
  unique: string,
): Promise<void> {
  const head: Head = { issuer, kind, name, fetched_at, sha256: hashOf(text) }
  const unfinished = join(folder, `.${file}.${unique}.new`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const handle = await open(unfinished, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(head)}\n${text}`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(unfinished, join(folder, file))
  } catch (error) {
    await unlink(unfinished).catch(() => {})
    throw error
  }
  await syncFolder(folder)
}

/** The rename itself; some systems cannot. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined
  try {
    handle = await open(folder, 'r')
    await handle.sync()
  } catch {
  } finally {
    await handle?.close()
  }
}
