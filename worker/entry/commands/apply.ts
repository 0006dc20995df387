// `apply FILE`: makes a blueprint true. The difference is printed before anything is written,
// warnings about rights that no token can carry after that: they are known then.
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
  const { warnings = [] } = applied
  const text = dryRun
    ? 'Nothing was written: this was --dry-run.'
    : warnings.map((line) => `warning: ${line}`).join('\n')
  return { text, json: { ...applied, warnings, dry_run: dryRun } }
}
