// The tags were made by another implementation: argon2 of OpenSSL 3 as node:crypto offers it, which
// itself yields the tag of RFC 9106 §5.3. (That vector has a secret and associated data, for which
// the WebAssembly module has no entry, so it cannot be used here directly.)
import { expect, test } from 'vitest'
import {
  findPasswordFault,
  passwordFaultText,
} from '../../worker/identity/new_passwords/new_password.ts'
import {
  hashPassword,
  isOutdated,
  PASSWORD_MAX_BYTES,
  verifyPassword,
} from '../../worker/identity/passwords.ts'
import { startWorker } from '../context.ts'
import { countHashes } from './hashes.ts'

/** A worker that hashes each password, also one whose hash the run knows. */
const startHashing = () => startWorker({}, { hashesAnew: true })

const SALT = 'MDEyMzQ1Njc4OWFiY2RlZg'
const SALT_2 = 'c2FsdCBvZiAxNiBieXRlcw'

const VECTORS: readonly [name: string, password: string, phc: string][] = [
  [
    'our own parameters',
    'correct horse battery staple',
    `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0`,
  ],
  [
    'two, three and four bytes of UTF-8 per character',
    'пароль-ключ-日本語-🔑-größer',
    `$argon2id$v=19$m=19456,t=2,p=1$${SALT_2}$2EVQ0N0qQEVQ2kIIa2XW+QwfywwTvdmINc7UEoG9YrU`,
  ],
  [
    '4096 bytes, none of them ASCII',
    '🔑'.repeat(1024),
    `$argon2id$v=19$m=19456,t=2,p=1$${SALT_2}$sGtOkLjjE6XnyQuJbYPehkzePYYQEEZvbkAdvkJQfmM`,
  ],
  [
    '64 MiB, four lanes, a tag of 64 bytes',
    'x'.repeat(64),
    '$argon2id$v=19$m=65536,t=1,p=4$OCBieXRlcyE$L8HfMm1bBweH4rDv4/kEnqsAaXmc6F9qatL/mx0DXInguPH75d7dku6nq/MAD8J+EjKK5wd1r9BT7C2bLA1FGw',
  ],
  [
    'argon2i',
    'correct horse battery staple',
    `$argon2i$v=19$m=4096,t=3,p=1$${SALT}$EY12I7uGyoBHzuQuFWt3F/Kvu99fJBY2qYsz2KZSrj8`,
  ],
  [
    'argon2d, two lanes, a tag of 16 bytes',
    'correct horse battery staple',
    `$argon2d$v=19$m=4096,t=3,p=2$${SALT}$UZ+PvVSRKUPxZt2r74L6vg`,
  ],
  [
    'the empty password, with the least memory',
    '',
    `$argon2id$v=19$m=32,t=3,p=4$${SALT}$cKu7pHMeAgz4bVDxz6Ry/SxCNknAMiL/6WP7QScIptI`,
  ],
]

test.each(VECTORS)('a hash made elsewhere is understood: %s', async (_name, password, phc) => {
  const cx = (await startHashing()).context()
  expect(await verifyPassword(cx, password, phc)).toBe(true)
  expect(await verifyPassword(cx, `${password}!`, phc)).toBe(false)
  if (password !== '') expect(await verifyPassword(cx, password.slice(0, -1), phc)).toBe(false)
})

test('a non-ASCII password is hashed to its last byte: one that differs only there is refused', async () => {
  const cx = (await startHashing()).context()
  const phc = await hashPassword(cx, 'ключключключключ-aaaa-1')
  expect(await verifyPassword(cx, 'ключключключключ-aaaa-1', phc)).toBe(true)
  expect(await verifyPassword(cx, 'ключключключключ-aaaa-2', phc)).toBe(false)
  expect(await verifyPassword(cx, 'ключключключключ-bbbb-1', phc)).toBe(false)
})

test('the same text typed composed or decomposed, or with another space, is the same password', async () => {
  const cx = (await startHashing()).context()
  const phc = `$argon2id$v=19$m=64,t=1,p=1$${SALT}$78w5RSoaLfhbtFhnzOu8ToKr5A35STYgLJIIY65b+p8`
  const composed = 'a b c d e f g h \u00e9 i'
  expect(await verifyPassword(cx, composed, phc)).toBe(true)
  expect(await verifyPassword(cx, composed.normalize('NFD'), phc)).toBe(true)
  expect(await verifyPassword(cx, composed.replace(' ', '\u00a0'), phc)).toBe(true)
  expect(await verifyPassword(cx, composed.replace('a', '\uff41'), phc)).toBe(false)
  expect(await verifyPassword(cx, ` ${composed}`, phc)).toBe(false)
})

test('every hash has its own salt, and our parameters', async () => {
  const cx = (await startHashing()).context()
  const hashes = await Promise.all([1, 2, 3].map(() => hashPassword(cx, 'the same password')))
  expect(new Set(hashes).size).toBe(3)
  for (const phc of hashes) {
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(isOutdated(phc)).toBe(false)
  }
})

test('no hash, and one that cannot be read, cost the work of a wrong password and are refused', async () => {
  const worker = await startHashing()
  const cx = worker.context()
  const hashes = await countHashes(worker)
  const phc = await hashPassword(cx, 'the right password')
  await verifyPassword(cx, 'a wrong password', phc)
  await verifyPassword(cx, 'a wrong password', null)
  await verifyPassword(cx, '', null)
  await verifyPassword(cx, 'a wrong password', '$2b$10$something.else')
  expect(hashes).toEqual(Array(5).fill({ t: 2, m: 19_456, p: 1 }))
  expect(worker.log.map((line) => line.message)).toEqual([
    'a stored password hash is not understood',
  ])
  expect(JSON.stringify(worker.log)).not.toContain('something.else')
})

test.each([
  ['m=65537,t=1,p=1', 'more than 64 MiB'],
  ['m=4096,t=11,p=1', 'more than 10 passes'],
  ['m=4096,t=0,p=1', 'no pass'],
  ['m=4096,t=1,p=17', 'more than 16 lanes'],
  ['m=31,t=1,p=4', 'less memory than 8 blocks for each lane'],
  ['m=99999999,t=9999,p=999', 'the largest numbers that can be written'],
])('a foreign hash with %s is not worked on: %s', async (parameters) => {
  const worker = await startHashing()
  const hashes = await countHashes(worker)
  const phc = `$argon2id$v=19$${parameters}$${SALT}$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0`
  expect(await verifyPassword(worker.context(), 'correct horse battery staple', phc)).toBe(false)
  expect(hashes).toEqual([{ t: 2, m: 19_456, p: 1 }])
})

test('memory that a foreign hash made grow is given back', async () => {
  const worker = await startHashing()
  const cx = worker.context()
  const pages = () => {
    const instance = worker.memory.get('argon2')?.value as
      | { exports: { memory: WebAssembly.Memory } }
      | undefined
    return instance?.exports.memory.buffer.byteLength
  }
  await hashPassword(cx, 'x')
  const usual = pages() ?? 0
  expect(usual).toBeGreaterThan(19 * 1_048_576)
  expect(usual).toBeLessThan(24 * 1_048_576)
  for (let i = 0; i < 20; i++) await hashPassword(cx, 'x'.repeat(4000))
  expect(pages()).toBe(usual)
  for (let i = 1; i < 40; i++) await verifyPassword(cx, 'я'.repeat(i * 50), null)
  expect(pages()).toBe(usual)
  await verifyPassword(cx, 'x'.repeat(64), VECTORS[3]![2])
  expect(pages()).toBeUndefined()
  await hashPassword(cx, 'x')
  expect(pages()).toBe(usual)
})

const TOO_SHORT = 'must have at least 15 characters'
const TOO_LONG = 'must not exceed 4096 bytes'
const CONTROL = 'must not contain control characters'

const GUESSABLE = 'is one of those that are tried first; choose four or five random words'
const LONG = Array.from({ length: PASSWORD_MAX_BYTES / 4 }, (_, i) =>
  String(i * 7919 + 1).slice(-4),
)
  .join('')
  .padStart(PASSWORD_MAX_BYTES, 'x')

test.each([
  ['14 letters', 'fourteen chars', TOO_SHORT],
  ['14 letters, decomposed into 28', 'e\u0301'.repeat(14), TOO_SHORT],
  ['14 characters in 28 UTF-16 units', '🔑'.repeat(14), TOO_SHORT],
  ['15 letters', 'exactly fifteen', null],
  ['15 characters beyond the first plane', '🔑🚪🧱🪟🛋🪑🛏🚿🛁🧴🧻🧼🧽🧯🛒', null],
  ['64 letters', LONG.slice(0, 64), null],
  ['4096 bytes', LONG, null],
  ['15 spaces', ' '.repeat(15), GUESSABLE],
  ['64 times the same letter', 'x'.repeat(64), GUESSABLE],
  ['a word again and again', 'Sesame-Sesame-Sesame-Se', GUESSABLE],
  ['a row of the keyboard', 'QWERTYUIOPASDFGH', GUESSABLE],
  ['digits in a row, with signs', '1234-5678-9012-3456', GUESSABLE],
  ['digits in a row, downwards', '987654321098765', GUESSABLE],
  ['a common one', 'Password-12345678!', GUESSABLE],
  ['a common one inside a longer one', 'Password-12345678! said the owl', null],
  ['the name of the account', 'marianne.smith.1987', GUESSABLE],
  ['the name of the account twice', 'MarianneSmith_mariannesmith', GUESSABLE],
  ['the name of the account in a longer one', 'marianne smith eats plums', null],
  ['the name of the product', 'AllAuth-AllAuth-2026', GUESSABLE],
  ['the name of the product in a longer one', 'allauth keeps my garden', null],
  ['4097 bytes', 'x'.repeat(PASSWORD_MAX_BYTES + 1), TOO_LONG],
  ['4098 bytes in 2049 letters', 'ж'.repeat(PASSWORD_MAX_BYTES / 2 + 1), TOO_LONG],
  ['NUL', 'a password with \0 in it', CONTROL],
  ['a line break', 'a password with \n in it', CONTROL],
  ['half a surrogate pair', 'half a pair \ud83d of surrogates', CONTROL],
])('the rule about new passwords: %s', (_name, password, fault) => {
  const found = findPasswordFault(password, 'marianne.smith@example.com', 15)
  expect(found === null ? null : passwordFaultText(found)).toBe(fault)
})

test('a password that begins with the right one and goes on beyond 4096 bytes is refused', async () => {
  const cx = (await startHashing()).context()
  const password = 'x'.repeat(PASSWORD_MAX_BYTES)
  const phc = await hashPassword(cx, password)
  expect(await verifyPassword(cx, password, phc)).toBe(true)
  expect(await verifyPassword(cx, `${password}y`, phc)).toBe(false)
})
