// The bundle for Workers: its size, and that it has no part that Workers would refuse.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { run } from './programs.ts'

const LIMIT_KB = 650
/** A part of at least so many KB has a line in docs/architecture.md. */
const LISTED_KB = 2

/** The command of `npm run deploy`, without sending anything. */
function deployCommand(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const [program, ...args] = String(scripts.deploy).split(' ')
  expect(program).toBe('wrangler')
  return [join(ROOT, 'node_modules/wrangler/bin/wrangler.js'), ...args, '--dry-run']
}

/**
 * The packages and rooms in the bundle, the largest first. A part's share of the compressed size is
 * that of its text before compression.
 */
function partsOf(metafile: string, total: number): { name: string; kb: number }[] {
  type Outputs = Record<string, { inputs: Record<string, { bytesInOutput: number }> }>
  const { outputs } = JSON.parse(readFileSync(metafile, 'utf8')) as { outputs: Outputs }
  const bytes = new Map<string, number>()
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name =
        /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ??
        /\b((?:worker|policy)(?:\/[a-z_]+)?)\/[^/]*/.exec(path)?.[1] ??
        'the rest'
      bytes.set(name, (bytes.get(name) ?? 0) + bytesInOutput)
    }
  }
  const all = [...bytes.values()].reduce((sum, one) => sum + one, 0)
  return [...bytes]
    .map(([name, one]) => ({ name: `\`${name}\``, kb: (one / all) * total }))
    .sort((a, b) => b.kb - a.kb)
}

test('`npm run deploy` sends at most 650 KB compressed, error texts in English alone, no Node module and no WebAssembly compiled at run time', async () => {
  const folder = temporaryFolder()
  try {
    const metafile = join(folder.path, 'meta.json')
    const args = [...deployCommand(), '--outdir', folder.path, '--metafile', metafile]
    const program = run(process.execPath, args, {
      cwd: ROOT,
      env: { WRANGLER_SEND_METRICS: 'false' },
    })
    expect(await program.exit, program.output()).toBe(0)
    const files = readdirSync(folder.path).filter((file) => /\.(js|wasm)$/.test(file))
    const sizes = files.map((file) => {
      const bytes = readFileSync(join(folder.path, file))
      return { file, kb: gzipSync(bytes, { level: 9 }).length / 1024 }
    })
    const total = sizes.reduce((sum, { kb }) => sum + kb, 0)
    console.log(
      `bundle: ${total.toFixed(1)} KB compressed (${sizes.map(({ file, kb }) => `${file.replace(/^[0-9a-f]{40}-/, '')} ${kb.toFixed(1)}`).join(', ')}); limit ${LIMIT_KB} KB`,
    )
    expect(total).toBeLessThanOrEqual(LIMIT_KB)
    const parts = partsOf(metafile, total)
    console.log(parts.map(({ name, kb }) => `| ${name} | ${kb.toFixed(0)} |`).join('\n'))
    const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
    const unnamed = parts.filter(({ name, kb }) => kb >= LISTED_KB && !page.includes(`| ${name} |`))
    expect(unnamed, 'the table of the bundle in docs/architecture.md').toEqual([])
    const code = files
      .filter((file) => file.endsWith('.js'))
      .map((file) => readFileSync(join(folder.path, file), 'utf8'))
      .join('\n')
    expect(code).not.toMatch(/from\s*["']node:/)
    expect(code).not.toMatch(/WebAssembly\.(compile|instantiate)\(/)
    // Words of zod in English, and in German, French and Spanish.
    expect(code).toContain('Invalid input: expected ')
    expect(code).not.toMatch(/ Eingabe: erwartet | attendu, | se esperaba /)
    // A bundler writes the name of each file into code that it does not minify.
    expect(code).not.toMatch(/^\/\/ worker\//m)
  } finally {
    folder.remove()
  }
}, 60_000)
