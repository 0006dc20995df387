// A value that is made from files and follows them: looked at every few seconds, and read anew when
// they changed or when that is asked for. Files that cannot be used leave the value as it was.

import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'

/** A sentence for a person; `file` is the path. */
export class FileFault extends Error {
  readonly file: string
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`)
    this.file = file
  }
}

/** Every file that is not good. */
export class FileFaults extends Error {
  readonly faults: readonly FileFault[]
  constructor(faults: readonly FileFault[]) {
    super(faults.map(({ message }) => message).join(', and '))
    this.faults = faults
  }
}

/** Makes each part; throws the faults of all of them at once. */
export function readParts<T>(parts: readonly (() => T)[]): T[] {
  const faults: FileFault[] = []
  const made = parts.flatMap((make) => {
    try {
      return [make()]
    } catch (error) {
      if (!(error instanceof FileFault)) throw error
      faults.push(error)
      return []
    }
  })
  if (faults.length > 0) throw new FileFaults(faults)
  return made
}

/** Bytes of a file; a FileFault says why there are none. */
export function readTextOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    const causes: Record<string, string> = {
      ENOENT: 'there is no such file',
      EACCES: 'this user may not read it',
      EISDIR: 'it is a folder',
    }
    throw new FileFault(file, `cannot be read: ${causes[code] ?? 'it failed'} (${code})`)
  }
}

/** `problem`: why the value stayed as it was. */
export type Reload = { outcome: 'loaded' } | { outcome: 'kept'; problem: string }

export type WatchedFiles<T> = {
  readonly value: T
  /** Reads the files now. */
  reload(): void
  close(): void
}

/**
 * `load` throws FileFaults when the files are not good, which at first goes on to the caller. A
 * change is obeyed when the files looked the same twice: certificate and key are two files, which
 * no program replaces in one step.
 */
export function watchFiles<T>(
  files: readonly string[],
  load: (before: T | undefined) => T,
  onReload: (reload: Reload) => void,
  interval_ms = 5000,
): WatchedFiles<T> {
  let value = load(undefined)
  let loaded: string | undefined
  let seen: string | undefined
  let isLooking = false

  function reload(): void {
    loaded = undefined // unknown until the next look
    try {
      value = load(value)
    } catch (error) {
      if (!(error instanceof FileFaults)) throw error
      onReload({ outcome: 'kept', problem: error.message })
      return
    }
    onReload({ outcome: 'loaded' })
  }

  async function look(): Promise<void> {
    if (isLooking) return
    isLooking = true
    const looks = await Promise.all(files.map(describe))
    isLooking = false
    const now = looks.join('\n')
    const isSettled = now === seen
    seen = now
    loaded ??= now
    if (!isSettled || now === loaded) return
    reload()
    loaded = now
  }

  void look()
  const timer = setInterval(() => void look(), interval_ms)
  timer.unref()
  return {
    get value() {
      return value
    },
    reload,
    close: () => clearInterval(timer),
  }
}

const describe = (file: string): Promise<string> =>
  stat(file).then(
    ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
    (error: NodeJS.ErrnoException) => String(error.code),
  )
