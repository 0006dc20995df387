// Mutual TLS in the environment: where certificates come from, and that nobody can set them up open
// to everybody.
import { expect, test } from 'vitest'
import { readEnvironment } from '../../worker/environment.ts'

const read = (env: Record<string, string>) =>
  readEnvironment({ SECRET_KEY: 'A'.repeat(43), DATABASE_URL: 'file:x', ...env })

const HEADER = { CLIENT_CERTIFICATE_HEADER: 'Client-Cert' }
const PROXY = { TRUSTED_PROXY: 'loopback' }
const VERIFIED = { CLIENT_CERTIFICATE_VERIFIED_HEADER: 'X-Verified' }

test.each<[Record<string, string>, unknown]>([
  [{}, null],
  [{ MTLS: 'off' }, null],
  [{ MTLS: 'cloudflare' }, { from: 'cloudflare' }],
  [
    { ...HEADER, ...PROXY },
    { from: 'header', certificate: 'client-cert', verified: null },
  ],
  [
    { ...HEADER, ...PROXY, ...VERIFIED },
    { from: 'header', certificate: 'client-cert', verified: 'x-verified' },
  ],
])('%j is read as %j', (env, expected) => {
  expect(read(env).config?.mtls).toEqual(expected)
})

test.each<[string, Record<string, string>, string]>([
  ['a header that anybody could send', HEADER, 'CLIENT_CERTIFICATE_HEADER'],
  ['a header and no proxy', { ...HEADER, TRUSTED_PROXY: 'off' }, 'CLIENT_CERTIFICATE_HEADER'],
  ['both ways', { ...HEADER, ...PROXY, MTLS: 'cloudflare' }, 'CLIENT_CERTIFICATE_HEADER'],
  [
    'no name of a header',
    { ...PROXY, CLIENT_CERTIFICATE_HEADER: 'a b' },
    'CLIENT_CERTIFICATE_HEADER',
  ],
  [
    'a verdict without a certificate',
    { ...PROXY, ...VERIFIED },
    'CLIENT_CERTIFICATE_VERIFIED_HEADER',
  ],
  ['another word', { MTLS: 'on' }, 'MTLS'],
])('%s is a fault: %j', (_, env, name) => {
  expect(read(env).faults.map((fault) => fault.name)).toEqual([name])
})
