// Folders that tests make and remove.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is gone when the test file has ended. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'allauth-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
