// `apply FILE`: makes a blueprint true. The difference is printed before anything is written.
import type { Applied } from '../../admin/blueprint.ts'
import type { Context } from '../../context.ts'
import { applyBlueprintFile } from '../blueprint_file.ts'
import type { CommandAnswer } from './answer.ts'

type Options = {
  'dry-run'?: boolean | undefined
  recreate?: boolean | undefined
  json?: boolean | undefined
}

export async function apply(
  cx: Context,
  file: string,
  { 'dry-run': dryRun = false, recreate = false, json = false }: Options,
): Promise<CommandAnswer> {
  const print = ({ changes, left }: Applied) => {
    const lines = changes.length === 0 ? ['no changes'] : changes
    if (!json) console.log([...lines, ...left].join('\n'))
  }
  const applied = await applyBlueprintFile(cx, file, process.env, { dryRun, recreate, show: print })
  return { text: '', json: { ...applied, dry_run: dryRun } }
}
