// An authenticator app of the tests, written from RFC 6238 with WebCrypto alone, so that it shares no
// code with the server; and the pages on which a person adds one.
import { expect } from 'vitest'
import type { TestWorker } from '../context.ts'
import type { Browser } from './browser.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function fromBase32(text: string): Uint8Array<ArrayBuffer> {
  const bits = [...text.replaceAll(/[\s=]/g, '')]
    .map((one) => ALPHABET.indexOf(one).toString(2).padStart(5, '0'))
    .join('')
  const bytes = bits.match(/.{8}/g) ?? []
  return new Uint8Array(bytes.map((byte) => Number.parseInt(byte, 2)))
}

/** The code that an app shows at a time (epoch seconds) for a key in base32. */
export async function codeAt(key: string, now: number): Promise<string> {
  const counter = new DataView(new ArrayBuffer(8))
  counter.setBigUint64(0, BigInt(Math.floor(now / 30)))
  const imported = await crypto.subtle.importKey(
    'raw',
    fromBase32(key),
    { name: 'HMAC', hash: 'SHA-1' },
    false,
    ['sign'],
  )
  const mac = new DataView(await crypto.subtle.sign('HMAC', imported, counter.buffer))
  const offset = mac.getUint8(19) & 15
  return String((mac.getUint32(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** The key on the page that offers it, and recovery codes on theirs. */
export const KEY = /<p class="key"[^>]*>([A-Z2-7 ]+)</
export const CODES = /<li class="key">([0-9a-z-]{19})</g

/** Adds an app in the browser, which is signed in; its key, and the recovery codes. */
export async function addAuthenticator(worker: TestWorker, browser: Browser) {
  const offered = await browser.get('/account/security/add')
  const key = KEY.exec(offered.html)?.[1] ?? ''
  const code = await codeAt(key, worker.clock.now)
  const added = await browser.submit(offered, { code, name: 'Phone', action: 'add' })
  expect(added.status).toBe(200)
  const codes = [...added.html.matchAll(CODES)].map(([, one]) => one ?? '')
  return { key, codes }
}
