import { expect, test } from 'vitest'
import { looksRandom } from '../../worker/crypto.ts'
import { credentialInput } from '../../worker/devices/credentials.ts'
import { secretSchema } from '../../worker/oauth/clients/secret_rules.ts'

const GUESSABLE = [
  'a'.repeat(40),
  'ab'.repeat(20),
  '12345678901234567890123456789012',
  '01234567890123456789012345678901',
  'abcdefghijklmnopqrstuvwxyzabcdef',
  'abcdefghijklmnopqrstuvwxyz012345',
  'zyxwvutsrqponmlkjihgfedcba987654',
  'changemechangemechangemechangeme',
  'password-password-password-password',
  'Secret123!Secret123!Secret123!Secret123!',
  'secretSECRETsecretSECRETsecretSECRET',
  'hunter2hunter2hunter2hunter2hunter2',
]

test.each(GUESSABLE)('%s is no secret for a client, nor for a device', (secret) => {
  expect(secretSchema.safeParse(secret).success).toBe(false)
  expect(credentialInput.safeParse({ kind: 'secret', secret }).success).toBe(false)
})

test('generated secrets of each usual form are taken', () => {
  const bytes = (n: number) => crypto.getRandomValues(new Uint8Array(n))
  const forms: Record<string, () => string> = {
    base64: () => btoa(String.fromCharCode(...bytes(32))),
    base64url: () => btoa(String.fromCharCode(...bytes(24))).replace(/[+/]/g, '-'),
    hex: () => [...bytes(16)].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    uuid: () => crypto.randomUUID(),
    letters: () => [...bytes(32)].map((byte) => 'abcdefghijklmnopqrstuvwxyz'[byte % 26]).join(''),
  }
  for (const [name, make] of Object.entries(forms)) {
    for (let i = 0; i < 2000; i++) {
      const secret = make()
      if (new Set(secret).size >= 8)
        expect([name, secret, looksRandom(secret)]).toEqual([name, secret, true])
    }
  }
})
