// `npm run dev`: the worker in workerd (wrangler dev) over a local libSQL endpoint, since workerd
// has no files. The environment of this machine is passed in a file that is not part of the
// project.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { localIssuer, readVariable } from '../environment.ts'
import { createSetupLink } from '../identity/setup.ts'
import { CannotStart, runProgram } from './cannot_start.ts'
import { logToStderr, openHost } from './host.ts'
import { serveHrana } from './hrana/hrana.ts'
import { FOLDER, ownSecretKey } from './own_secret_key.ts'

await runProgram(async () => {
  const port = readVariable('PORT', process.env)
  const file = `${FOLDER}/dev.db`
  mkdirSync(dirname(file), { recursive: true })
  const secret = process.env['SECRET_KEY'] ?? ownSecretKey(`file:${file}`)
  if (secret === null) {
    throw new CannotStart(`${file} is there, and its ${FOLDER}/secret_key is not. Set SECRET_KEY.`)
  }
  const database = await serveHrana({ file })
  const environment: Record<string, string> = {
    ISSUER: readVariable('ISSUER', process.env) ?? localIssuer(port),
    DATABASE_URL: database.url,
    SECRET_KEY: secret,
    ...Object.fromEntries(
      ['EMAIL_URL', 'EMAIL_FROM'].flatMap((name) => {
        const value = process.env[name]
        return value === undefined ? [] : [[name, value] as const]
      }),
    ),
  }
  const host = await openHost({ ...process.env, ...environment }, logToStderr)
  const link = await createSetupLink(host.system())
  await host.close()

  const variables = `${FOLDER}/dev.vars`
  const quote = (value: string) => (value.includes('"') ? `'${value}'` : `"${value}"`)
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}\n`)
  writeFileSync(variables, lines.join(''), { mode: 0o600 })
  const wrangler = join(
    dirname(createRequire(import.meta.url).resolve('wrangler/package.json')),
    'bin/wrangler.js',
  )
  console.log(`The database endpoint of development is ${database.url}; its file is ${file}.`)
  console.log(`To aim the command line at it: DATABASE_URL=${database.url} npm run allauth -- ...`)
  if (link !== null) console.log(`Set up the first operator: ${link}`)
  const child = spawn(
    process.execPath,
    [
      wrangler,
      'dev',
      '--port',
      String(port),
      '--ip',
      '127.0.0.1',
      '--env-file',
      resolve(variables),
    ],
    { stdio: 'inherit', env: { ...process.env, WRANGLER_SEND_METRICS: 'false' } },
  )
  child.once('error', (error) => {
    throw new CannotStart(`wrangler could not be started: ${error.message}`)
  })
  const stop = () => child.kill('SIGTERM')
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  const code = await new Promise<number>((done) => child.once('exit', (value) => done(value ?? 0)))
  await database.close()
  process.exit(code)
})
