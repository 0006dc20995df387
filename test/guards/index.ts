// `npm run guards [-- NAME ...]`: takes each guard of guards.ts away, one at a time, in a copy of the tree, and runs
// the tests that are to notice. A guard whose removal nothing notices is reported, and the exit code is 1.
import { spawn } from 'node:child_process'
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, temporaryFolder } from '../host/programs.ts'
import { GUARDS, type Guard } from './guards.ts'

const COPIED = ['worker', 'policy', 'proxy-node', 'migrations', 'test', 'public']
const FILES = ['package.json', 'tsconfig.json', 'wrangler.toml']

function copyTree(to: string): void {
  const filter = (from: string) => !/\/(node_modules|\.output)(\/|$)/.test(from)
  for (const folder of COPIED)
    cpSync(join(ROOT, folder), join(to, folder), { recursive: true, filter })
  for (const file of FILES) cpSync(join(ROOT, file), join(to, file))
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'))
}

type Result = { passed: number; failed: number; text: string }

/** Runs the tests of one file, those with `title` in their name. */
function runTests(tree: string, { test, title }: Pick<Guard, 'test' | 'title'>): Promise<Result> {
  const file = `test/${test}.test.ts`
  const project = /^(host|policy|proxy-node)\//.test(test) ? 'node' : 'workerd'
  const vitest = join(tree, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--config', 'test/vitest.config.ts', '--project', project, file]
  const named = title === undefined ? [] : ['-t', title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...args, ...named], { cwd: tree })
    let text = ''
    const take = (chunk: Buffer) => {
      text += chunk.toString().replaceAll(/\x1b\[[0-9;]*m/g, '')
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('close', () => {
      const line = /^ +Tests +(.*)$/m.exec(text)?.[1] ?? ''
      const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0)
      resolve({ passed: count('passed'), failed: count('failed'), text })
    })
  })
}

const wanted = process.argv.slice(2)
const chosen = GUARDS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
const unknown = wanted.filter((name) => !GUARDS.some((guard) => guard.name === name))
if (unknown.length > 0) {
  console.error(
    `There is no guard ${unknown.join(', ')}. All: ${GUARDS.map((g) => g.name).join(', ')}`,
  )
  process.exit(2)
}
const folder = temporaryFolder()
const unnoticed: string[] = []
try {
  copyTree(folder.path)
  for (const guard of chosen) {
    const file = join(folder.path, guard.file)
    const whole = readFileSync(file, 'utf8')
    const without = whole.replace(guard.from, () => guard.to)
    if (without === whole) throw new Error(`${guard.name}: its text is not in ${guard.file}`)
    const before = await runTests(folder.path, guard)
    if (before.failed > 0 || before.passed === 0) {
      unnoticed.push(guard.name)
      console.log(`${guard.name}: its tests are not green to begin with\n${before.text}`)
      continue
    }
    writeFileSync(file, without)
    const after = await runTests(folder.path, guard)
    writeFileSync(file, whole)
    const isNoticed = after.failed > 0
    if (!isNoticed) unnoticed.push(guard.name)
    const what = isNoticed ? `noticed by ${after.failed} of ${before.passed}` : 'NOT NOTICED'
    console.log(`${guard.name}: ${what} (${guard.test}; ${guard.attack})`)
  }
} finally {
  rmSync(join(folder.path, 'node_modules'))
  folder.remove()
}
console.log(
  `${chosen.length - unnoticed.length} of ${chosen.length} guards are noticed when they are gone`,
)
process.exitCode = unnoticed.length > 0 ? 1 : 0
