// better-auth over a SQLite file (node:sqlite, WAL, every commit on disk) with sign-in by password. Its defaults
// otherwise, but for the hash: argon2id with the parameters of this server, by the same WebAssembly module, so that
// what differs is all else. Answers its parent with where it listens.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'

const [file, wasm, email, password] = process.argv.slice(2)
const db = new DatabaseSync(file)
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')

const { exports: argon2 } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)))
argon2._initialize()
const BUFFER = 8192
const at = argon2.malloc(BUFFER)

/** argon2id, 19 MiB, two passes, one lane, 32 bytes. */
function hash(text, salt) {
  const typed = new TextEncoder().encode(text.normalize('NFC'))
  const buffer = () => new Uint8Array(argon2.memory.buffer, at, BUFFER)
  buffer().set(typed)
  buffer().set(salt, typed.length)
  const [saltAt, tagAt] = [at + typed.length, at + typed.length + salt.length]
  const code = argon2.argon2_hash(
    2,
    19_456,
    1,
    at,
    typed.length,
    saltAt,
    salt.length,
    tagAt,
    32,
    0,
    0,
    2,
    19,
  )
  if (code !== 0) throw new Error(`argon2 failed with code ${code}`)
  return Buffer.from(buffer().slice(tagAt - at, tagAt - at + 32))
}

let handle
const server = createServer((request, response) => handle(request, response))
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const origin = `http://127.0.0.1:${server.address().port}`
const options = {
  baseURL: origin,
  secret: randomBytes(32).toString('base64url'),
  database: db,
  emailAndPassword: {
    enabled: true,
    password: {
      hash: async (text) => {
        const salt = randomBytes(16)
        return `${salt.toString('base64')}$${hash(text, salt).toString('base64')}`
      },
      verify: async ({ hash: stored, password: text }) => {
        const [salt, tag] = stored.split('$').map((part) => Buffer.from(part, 'base64'))
        return timingSafeEqual(hash(text, salt), tag)
      },
    },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
}
const { runMigrations } = await getMigrations(betterAuth(options).options)
await runMigrations()
handle = toNodeHandler(betterAuth(options))

const signedUp = await fetch(`${origin}/api/auth/sign-up/email`, {
  method: 'POST',
  headers: { 'content-type': 'application/json', origin },
  body: JSON.stringify({ email, password, name: 'Ann' }),
})
if (signedUp.status !== 200) throw new Error(`sign-up answered ${signedUp.status}`)
process.send({ origin })
process.on('disconnect', () => process.exit())
