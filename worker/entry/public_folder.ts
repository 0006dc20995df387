// The folder `public/` on Node, Deno and Bun. On Workers its files were sent with the worker.
import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { ReadPublicFile } from '../web/public_files.ts'

/** Codes of errors that say that there is no such file. */
const NOTHING = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP']

export function publicFolder(folder: string): ReadPublicFile {
  return async (_, name) => {
    try {
      const root = await realpath(folder)
      const file = join(root, name)
      // A link may lead out of the folder. Where letters count alike in both cases, /CONSOLE/ would
      // lead around the surface.
      if (!file.startsWith(root + sep) || (await realpath(file)) !== file) return null
      const body = new Uint8Array(await readFile(file))
      return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
    } catch (error) {
      if (NOTHING.some((code) => code === (error as { code?: unknown }).code)) return null
      throw error
    }
  }
}
