// The address that a host takes for the peer: limits on guessing depend on it.
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { CannotStart } from '../../worker/entry/cannot_start.ts'
import { openHost, peerAddress } from '../../worker/entry/host.ts'

const PROXIES = new BlockList()
PROXIES.addSubnet('10.0.0.0', 8, 'ipv4')
PROXIES.addSubnet('fd00::', 8, 'ipv6')

test.each([
  ['nobody is trusted', '192.0.2.7', '203.0.113.9', '192.0.2.7'],
  ['a visitor names another address first', '10.0.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
  ['a visitor names a proxy', '10.0.0.1', '10.0.0.9, 203.0.113.9', '203.0.113.9'],
  ['two proxies', '10.0.0.1', '203.0.113.9, 10.0.0.2', '203.0.113.9'],
  ['all are proxies', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['no header', '10.0.0.1', '', '10.0.0.1'],
  ['what is no address', '10.0.0.1', '203.0.113.9, unknown', '10.0.0.1'],
  ['a mapped proxy', '::ffff:10.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
  ['IPv6', 'fd00::1', '203.0.113.9, 2001:db8::1', '2001:db8::1'],
  ['a proxy that adds ports', '10.0.0.1', '203.0.113.9:50123', '203.0.113.9'],
  ['a proxy that adds ports, IPv6', '10.0.0.1', '[2001:db8::1]:50123', '2001:db8::1'],
])('the peer: %s', (_, socket, forwarded, expected) => {
  const request = new Request('http://localhost/')
  if (forwarded !== '') request.headers.set('x-forwarded-for', forwarded)
  expect(peerAddress(request, socket, PROXIES)).toBe(expected)
})

test.each(['10.0.0.0/33', 'fd00::/129', '10.0.0/8', 'proxy.example.com', '10.0.0.0/'])(
  'TRUSTED_PROXY=%s is refused by its name',
  async (range) => {
    const env = { SECRET_KEY: 'A'.repeat(43), TRUSTED_PROXY: range, DATABASE_URL: 'http://[::1]:1' }
    const opening = openHost(env, () => {})
    await expect(opening).rejects.toThrow(CannotStart)
    await expect(opening).rejects.toThrow('TRUSTED_PROXY')
  },
)
