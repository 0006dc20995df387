// A blueprint as a file: read, parsed as YAML (of which JSON is a part), applied. admin/ says what
// it may contain.
import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { applyBlueprint, BlueprintFault } from '../admin/blueprint.ts'
import type { Context } from '../context.ts'
import { CannotStart } from './cannot_start.ts'

/**
 * Applies a blueprint file and answers one line for each change, none when there is nothing to
 * change. Throws CannotStart with file, path and reason; then nothing was applied.
 */
export async function applyBlueprintFile(
  cx: Context,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<string[]> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CannotStart(`${file}: cannot be read (${reason})`)
  }
  // Aliases can make a huge document from a small file; none are needed here.
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true })
  const [fault] = document.errors
  if (fault !== undefined) {
    throw new CannotStart(`${file}: ${fault.message.trimEnd()}\nNothing was applied.`)
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 0 })
  } catch {
    throw new CannotStart(`${file}: aliases (*name) are not used in blueprints`)
  }
  try {
    return await applyBlueprint(cx, value, env, { dryRun })
  } catch (error) {
    if (!(error instanceof BlueprintFault)) throw error
    const lines = error.faults.map(({ path, reason }) => `${file}: ${path}: ${reason}`)
    throw new CannotStart([...lines, 'Nothing was applied.'].join('\n'))
  }
}
