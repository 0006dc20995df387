// Loaded before each program (--import). An older Node cannot read the TypeScript that would say this; a good one
// keeps what it compiled, which halves the start of the next program.
import module from 'node:module'

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `AllAuth needs Node 24 and this is ${process.version}. npm brings it on Linux and macOS: ` +
      'run npm install again, without --omit=optional, and start through npm (npm start, npm run worker, ...).',
  )
  process.exit(2)
}
module.enableCompileCache?.()

// zod brings its sentences in some fifty languages; this program writes English ones alone. The build for Workers leaves
// them out in the same way (zod_locales.ts).
const LOCALES = '/zod/v4/locales/index.js'
module.registerHooks?.({
  load: (url, context, next) =>
    url.endsWith(LOCALES)
      ? { format: 'module', shortCircuit: true, source: "export { default as en } from './en.js'" }
      : next(url, context),
})
