// Addresses that others name and that may be fetched: addresses by their range, names by their
// ending, and nothing without end.
import { describe, expect, test } from 'vitest'
import { guardFetch, isPublicAddress, isPublicHost, type Send } from '../../worker/outside.ts'

const never: Send = () => {
  throw new TypeError('nothing should have been sent')
}

describe('an address that is not of the public internet is never asked', () => {
  test.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://10.1.2.3/',
    'https://100.64.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://172.31.255.255/',
    'https://192.168.0.1/',
    'https://198.18.0.1/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://0.0.0.0/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[64:ff9b::a00:1]/',
    'https://[2002:a00:1::]/',
    'https://[2001::1]/',
    'https://[fe80::1]/',
    'https://[fd00::1]/',
    'https://[ff02::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://a.localhost/',
    'https://printer.local/',
    'https://metadata.google.internal/',
    'https://intranet/',
  ])('%s', async (url) => {
    await expect(guardFetch(never, false)(url)).rejects.toMatchObject({ reason: 'private_address' })
  })
})

describe('an address that is no plain https URL is never asked', () => {
  test.each([
    'http://keys.example.com/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://user:password@keys.example.com/',
    'https://user@keys.example.com/',
    '//keys.example.com/',
    'https://keys.example.com/\n',
    'https://',
    '',
    `https://keys.example.com/${'a'.repeat(2048)}`,
  ])('%j', async (url) => {
    await expect(guardFetch(never, false)(url)).rejects.toMatchObject({ reason: 'bad_url' })
  })
})

test('public addresses are public, up to the edges of the ranges beside them', () => {
  const around = ['9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '172.15.255.255']
  const more = ['172.32.0.0', '192.167.255.255', '192.169.0.0', '223.255.255.255', '1.1.1.1']
  for (const address of [...around, ...more]) expect(isPublicAddress(address), address).toBe(true)
  const v6 = ['2606:4700::1111', '2001:200::1', '2a00:1450::1', '2002:808:808::']
  for (const address of v6) expect(isPublicAddress(address), address).toBe(true)
  expect(isPublicHost('keys.example.com')).toBe(true)
  for (const text of ['', 'a', '1.2.3', '1.2.3.256', '::g'])
    expect(isPublicAddress(text)).toBe(false)
})

test('redirects are not followed, and their target is not told', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const send: Send = async () =>
      new Response(null, { status, headers: { location: 'https://127.0.0.1/' } })
    await expect(guardFetch(send, false)('https://keys.example.com/')).rejects.toMatchObject({
      reason: 'redirect',
    })
  }
})

test('an answer that is too large, no text, or never ends is refused', async () => {
  const answer = (body: BodyInit) => guardFetch(async () => new Response(body), false)
  const url = 'https://keys.example.com/'
  expect((await answer('x'.repeat(65_536))(url)).text.length).toBe(65_536)
  await expect(answer('x'.repeat(65_537))(url)).rejects.toMatchObject({ reason: 'too_large' })
  await expect(answer(new Uint8Array([0xff]))(url)).rejects.toMatchObject({ reason: 'not_text' })
  const endless = () => new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(1)) })
  const slow = guardFetch(async () => new Response(endless()), false)
  await expect(slow(url, { timeout_ms: 20 })).rejects.toMatchObject({ reason: 'timeout' })
  // As long as a name server keeps silent, nobody heeds the signal.
  const deaf = guardFetch(() => new Promise(() => {}), false)
  await expect(deaf(url, { timeout_ms: 20 })).rejects.toMatchObject({ reason: 'timeout' })
})
