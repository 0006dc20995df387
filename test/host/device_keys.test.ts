// Keys that other tools made, in files, on the command line: the device is registered by its public
// part and gets a token with the private one.
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli, startWorkerOn } from './programs.ts'

const blueprint = { device_types: [{ name: 'lamp' }] }

let worker: Awaited<ReturnType<typeof startWorkerOn>>
beforeAll(async () => {
  worker = await startWorkerOn('node', blueprint)
})
afterAll(() => worker?.stop())

const cli = (...args: string[]) => runCli(args, worker.folder, { ISSUER: worker.issuer })

const pem = { format: 'pem' } as const
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const ed = generateKeyPairSync('ed25519').privateKey
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

const FILES = {
  'pkcs8-p256': ec.export({ type: 'pkcs8', ...pem }),
  // As `openssl ecparam -genkey` writes it.
  'sec1-p256': `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${ec.export({ type: 'sec1', ...pem })}`,
  'pkcs8-ed25519': ed.export({ type: 'pkcs8', ...pem }),
  'pkcs8-rsa': rsa.export({ type: 'pkcs8', ...pem }),
  'pkcs1-rsa': rsa.export({ type: 'pkcs1', ...pem }),
  jwk: JSON.stringify(ec.export({ format: 'jwk' })),
}

test('device create and device token take keys in PEM and in JWK form', async () => {
  for (const [id, text] of Object.entries(FILES)) {
    const file = join(worker.folder, `${id}.pem`)
    writeFileSync(file, text)
    const created = await cli('device', 'create', id, '--type', 'lamp', '--key-file', file)
    expect([id, created.code, created.output]).toEqual([
      id,
      0,
      expect.stringContaining(`with the key in ${file}`),
    ])
    const { code, output } = await cli('device', 'token', id, '--key-file', file)
    expect([id, code], output).toEqual([id, 0])
    const token = /^ey\S+$/m.exec(output)?.[0] ?? ''
    expect(decodeJwt(token)).toMatchObject({ sub: id })
  }
  const db = createClient({ url: worker.databaseUrl })
  const { rows } = await db.execute('select jwk from device_credential')
  db.close()
  expect(rows).toHaveLength(Object.keys(FILES).length)
  for (const { jwk } of rows) expect(JSON.parse(String(jwk))).not.toHaveProperty('d')
})

test('a key file that cannot serve is refused in words, and the device is not made', async () => {
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'x' }
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const files: [string, string | Buffer, RegExp][] = [
    ['sealed', ec.export({ type: 'pkcs8', ...pem, ...cipher }), /is encrypted: openssl pkey/],
    ['p384', p384.privateKey.export({ type: 'pkcs8', ...pem }), /take Ed25519, P-256 or RSA/],
    ['public', p384.publicKey.export({ type: 'spki', ...pem }), /has no private key/],
    ['broken', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', /cannot be read as/],
    ['text', 'a key, I think', /not a private key in JWK or PEM form/],
  ]
  for (const [id, text, words] of files) {
    const file = join(worker.folder, `${id}.pem`)
    writeFileSync(file, text)
    const { code, output } = await cli('device', 'create', id, '--type', 'lamp', '--key-file', file)
    expect([id, code, output]).toEqual([id, 2, expect.stringMatching(words)])
  }
})
