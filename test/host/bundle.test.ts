// The bundle for Workers: its size, and that it has no part that Workers would refuse.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { run } from './programs.ts'

const LIMIT_KB = 300

/** The command of `npm run deploy`, without sending anything. */
function deployCommand(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const [program, ...args] = String(scripts.deploy).split(' ')
  expect(program).toBe('wrangler')
  return [join(ROOT, 'node_modules/wrangler/bin/wrangler.js'), ...args, '--dry-run']
}

test('`npm run deploy` sends at most 300 KB compressed, error texts in English alone, no Node module and no WebAssembly compiled at run time', async () => {
  const folder = temporaryFolder()
  try {
    const args = [...deployCommand(), '--outdir', folder.path]
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
