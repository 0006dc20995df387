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
