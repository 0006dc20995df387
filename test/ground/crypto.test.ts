import { expect, test } from 'vitest'
import { mac, randomId, seal, unseal, verifyMac } from '../../worker/crypto.ts'
import { startWorker } from '../context.ts'

const other = 'BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

test('a sealed value opens only in its own place, and only under its key', async () => {
  const cx = (await startWorker()).context()
  const sealed = await seal(cx, 'table.column:1', 'zażółć')
  expect(await unseal(cx, 'table.column:1', sealed)).toBe('zażółć')
  await expect(unseal(cx, 'table.column:2', sealed)).rejects.toThrow('was altered')
  const stranger = (await startWorker({ SECRET_KEY: other })).context()
  await expect(unseal(stranger, 'table.column:1', sealed)).rejects.toThrow('no present SECRET_KEY')
  const flipped = sealed.slice(0, -1) + (sealed.endsWith('A') ? 'B' : 'A')
  await expect(unseal(cx, 'table.column:1', flipped)).rejects.toThrow()
})

test('after a rotation of SECRET_KEY the older one still opens and verifies, the newer one seals', async () => {
  const before = await startWorker()
  const sealed = await seal(before.context(), 'a.b:1', 'x')
  const tag = mac(before.context(), 'p', 'x')
  const old = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
  const after = (await startWorker({ SECRET_KEY: `${other},${old}` })).context()
  expect(await unseal(after, 'a.b:1', sealed)).toBe('x')
  expect(verifyMac(after, 'p', 'x', tag)).toBe(true)
  expect(mac(after, 'p', 'x')).not.toBe(tag)
  expect(verifyMac(after, 'q', 'x', tag)).toBe(false)
})

test('derived keys are those of HKDF-SHA-256 (RFC 5869)', async () => {
  const cx = (await startWorker()).context()
  const secret = cx.config.secret_keys[0]!
  const ikm = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits'])
  const info = new TextEncoder().encode('allauth mac p')
  const params = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info }
  const bits = await crypto.subtle.deriveBits(params, ikm, 256)
  const key = await crypto.subtle.importKey('raw', bits, { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ])
  const expected = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode('text'))
  const text = btoa(String.fromCharCode(...new Uint8Array(expected)))
  expect(mac(cx, 'p', 'text')).toBe(text.replaceAll('+', '-').replaceAll('/', '_').replace('=', ''))
})

test('ids are ordered by time and fit the alphabet of principals', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  const burst = Array.from({ length: 100 }, () => randomId(cx, 'usr'))
  expect(burst).toEqual([...burst].sort())
  const first = randomId(cx, 'usr')
  worker.clock.now += 1
  const second = randomId(cx, 'usr')
  expect(first).toMatch(/^usr_[0-9a-z]{26}$/)
  expect(second > first).toBe(true)
})
