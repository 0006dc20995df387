// `npm run guards [-- NAME ...]`: takes each guard of guards.ts away, one at a time, in a copy of
// the tree, and runs the tests that are to notice. A guard whose removal nothing notices is
// reported, and the exit code is 1. One Vitest runs it all: of each patched file only what hangs on
// it is read anew.
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createVitest, type TestSpecification, type Vitest } from 'vitest/node'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
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

async function openVitest(tree: string): Promise<Vitest> {
  // wrangler.toml and what is spawned are looked for from here.
  process.chdir(tree)
  process.env['PWD'] = tree
  const config = join(tree, 'test/vitest.config.ts')
  return createVitest('test', { root: tree, config, watch: false, reporters: [{}] })
}

async function findFile(vitest: Vitest, tree: string, test: string): Promise<TestSpecification> {
  const file = join(tree, `test/${test}.test.ts`)
  // One run is enough to notice: that over files repeats the one in workerd.
  const specifications = await vitest.globTestSpecifications([file])
  const found = specifications.find(({ project }) => project.name !== 'file')
  if (found === undefined) throw new Error(`there is no ${file}`)
  return found
}

type Result = { passed: number; failed: string[] }

/** Runs the tests of one file, those with `title` in their name. */
async function runTests(vitest: Vitest, tree: string, { test, title = '' }: Guard) {
  const result: Result = { passed: 0, failed: [] }
  vitest.setGlobalTestNamePattern(new RegExp(title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')))
  const file = await findFile(vitest, tree, test)
  // Tests that ran before are answered too.
  const { testModules } = await vitest.runTestSpecifications([file])
  for (const module of testModules.filter(({ moduleId }) => moduleId === file.moduleId)) {
    for (const one of module.children.allTests()) {
      const { state, errors } = one.result()
      if (state === 'passed') result.passed++
      if (state === 'failed') result.failed.push(`${one.fullName}: ${errors[0]?.message ?? ''}`)
    }
    for (const error of module.errors()) console.log(`${test} cannot be read: ${error.message}`)
  }
  return result
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
copyTree(folder.path)
const vitest = await openVitest(folder.path)
try {
  /** Of tests that several guards share. */
  const before = new Map<string, Result>()
  for (const guard of chosen) {
    const { name, attack, test, title = '' } = guard
    const file = join(folder.path, guard.file)
    const whole = readFileSync(file, 'utf8')
    const without = whole.replace(guard.from, () => guard.to)
    if (without === whole) throw new Error(`${name}: its text is not in ${guard.file}`)
    const key = `${test} ${title}`
    const sound = before.get(key) ?? (await runTests(vitest, folder.path, guard))
    before.set(key, sound)
    if (sound.failed.length > 0 || sound.passed === 0) {
      unnoticed.push(name)
      console.log(`${name}: its tests are not green to begin with (${test})`)
      for (const text of sound.failed) console.log(`  ${text}`)
      continue
    }
    writeFileSync(file, without)
    vitest.invalidateFile(file)
    const { failed } = await runTests(vitest, folder.path, guard)
    writeFileSync(file, whole)
    vitest.invalidateFile(file)
    if (failed.length === 0) unnoticed.push(name)
    const what =
      failed.length > 0 ? `noticed by ${failed.length} of ${sound.passed}` : 'NOT NOTICED'
    console.log(`${name}: ${what} (${test}; ${attack})`)
  }
} finally {
  await vitest.close()
  rmSync(join(folder.path, 'node_modules'))
  folder.remove()
}
console.log(
  `${chosen.length - unnoticed.length} of ${chosen.length} guards are noticed when they are gone`,
)
process.exitCode = unnoticed.length > 0 ? 1 : 0
