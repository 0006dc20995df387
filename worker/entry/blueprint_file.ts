// A blueprint as a file: read, parsed as YAML (of which JSON is a part), applied. admin/ says what
// it may contain.
import { readFileSync } from 'node:fs'
import { type Applied, applyBlueprint, startBlueprint } from '../admin/blueprint.ts'
import { BlueprintFault } from '../admin/blueprint_document.ts'
import type { Context } from '../context.ts'
import { CannotStart } from './cannot_start.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Options = Parameters<typeof applyBlueprint>[3]

/** `apply FILE`: makes the file true. Throws CannotStart, with file, path and reason. */
export const applyBlueprintFile = (
  cx: Context,
  file: string,
  env: Environment,
  options: Options,
): Promise<Applied> =>
  explained(file, async () => applyBlueprint(cx, await readDocument(file), env, options))

/** `BLUEPRINT=FILE`: what a start makes of the file. Throws CannotStart likewise. */
export const startBlueprintFile = (cx: Context, file: string, env: Environment): Promise<Applied> =>
  explained(file, async () => startBlueprint(cx, await readDocument(file), env))

async function readDocument(file: string): Promise<unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CannotStart(`${file}: cannot be read (${reason})`)
  }
  // Read with the first blueprint: a worker without one needs no parser of YAML.
  const { parseDocument } = await import('yaml')
  // Aliases can make a huge document from a small file; none are needed here.
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true })
  const [fault] = document.errors
  if (fault !== undefined) {
    throw new CannotStart(`${file}: ${fault.message.trimEnd()}\nNothing was applied.`)
  }
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch {
    throw new CannotStart(`${file}: aliases (*name) are not used in blueprints`)
  }
}

async function explained(file: string, apply: () => Promise<Applied>): Promise<Applied> {
  try {
    return await apply()
  } catch (error) {
    if (!(error instanceof BlueprintFault)) throw error
    const lines = error.faults.map(({ path, reason }) => `${file}: ${path}: ${reason}`)
    throw new CannotStart([...lines, 'Nothing was applied.'].join('\n'))
  }
}
