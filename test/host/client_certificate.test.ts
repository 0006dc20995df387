// Client certificates as entry reads them: real ones, made by OpenSSL, which also says what is in
// them; and whose word counts for what certificate a connection has.
import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { BlockList } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { certificateOfCloudflare, readClientCert } from '../../worker/entry/client_certificate.ts'
import { certificateOfPeer } from '../../worker/entry/host.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type RunningWorker, run, startWorkerOn } from './programs.ts'
import { startTlsFront } from './tls_front.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const openssl = (...args: string[]) =>
  execFileSync('openssl', args, { cwd: folder.path, stdio: ['ignore', 'pipe', 'pipe'] }).toString()

/** A self-signed certificate: its DER form, and its Client-Cert header. */
function makeCertificate(subject: string, { key = 'ec', names = '' } = {}) {
  const keys: Record<string, string[]> = {
    ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    rsa: ['-newkey', 'rsa:2048'],
    ed25519: ['-newkey', 'ed25519'],
  }
  const extension = names === '' ? [] : ['-addext', `subjectAltName=${names}`]
  openssl(
    ...['req', '-x509', '-nodes', '-days', '30', '-utf8', '-keyout', 'key.pem', '-out', 'cert.pem'],
    ...(keys[key] ?? []),
    ...['-subj', subject],
    ...extension,
  )
  const pem = readFileSync(join(folder.path, 'cert.pem'))
  const { raw, publicKey } = new X509Certificate(pem)
  return {
    der: raw,
    header: `:${raw.toString('base64')}:`,
    thumbprint: createHash('sha256').update(raw).digest('base64url'),
    spki: publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'),
    jwk: publicKey.export({ format: 'jwk' }),
    subject: openssl('x509', '-in', 'cert.pem', '-noout', '-subject', '-nameopt', 'RFC2253')
      .replace(/^subject=/, '')
      .replace(/\n$/, ''),
  }
}

describe('what is read from a certificate', () => {
  test.each([
    ['/CN=job', 'ec'],
    ['/C=DE/ST=Bayern/L=Munich/O=Example, Inc./OU=Things/CN=job.example.com', 'rsa'],
    ['/CN=J\u00fcrgen \u0416/O=\u65e5\u672c', 'ed25519'],
    ['/CN= edges /O=#hash/OU=a\\+b<c>d;e"f\\\\g', 'ec'],
    ['/DC=com/DC=example/UID=7/CN=x/emailAddress=a@example.com/serialNumber=42', 'ec'],
    ['/C=GB/O=Bank/organizationIdentifier=PSDGB-FCA-123456/CN=x', 'ec'],
    ['/CN=a/OU=b+O=c', 'ec'],
  ])(
    'the subject of %s, its thumbprint and its %s key are what OpenSSL and Node say',
    (subject, key) => {
      const made = makeCertificate(subject, { key })
      expect(readClientCert(made.header, true)).toMatchObject({
        subject_dn: made.subject,
        thumbprint: made.thumbprint,
        spki: made.spki,
        verified: true,
      })
    },
  )

  test('the alternative names, each of its kind', () => {
    const names =
      'DNS:job.example,DNS:*.job.example,URI:urn:example:job,IP:192.0.2.1,IP:2001:db8:0:0:0:0:0:1,email:job@example.com,RID:1.2.3'
    const { header } = makeCertificate('/CN=job', { names })
    expect(readClientCert(header, false)).toMatchObject({
      san_dns: ['job.example', '*.job.example'],
      san_uri: ['urn:example:job'],
      san_ip: ['192.0.2.1', '2001:db8::1'],
      san_email: ['job@example.com'],
      verified: false,
    })
  })

  test('anything else is no certificate, and no failure', () => {
    const { header, der } = makeCertificate('/CN=job', { names: 'DNS:job.example' })
    const texts = [
      '',
      ':',
      '::',
      'x',
      header.slice(1),
      header.slice(0, -1),
      `${header}, ${header}`,
      `${header},`,
      `${header};a=b`,
      ':!!!!:',
      `:${'A'.repeat(30_000)}:`,
      `:${Buffer.concat([der, Buffer.from([0])]).toString('base64')}:`,
    ]
    for (const text of texts) expect(readClientCert(text, true)).toBeNull()
    for (let length = 0; length < der.length; length++) {
      const cut = `:${der.subarray(0, length).toString('base64')}:`
      expect(readClientCert(cut, true)).toBeNull()
    }
    // Whatever is changed, it is read as something or not at all.
    for (let at = 0; at < der.length; at++) {
      for (const value of [0x00, 0x80, 0xff, 0x30]) {
        const changed = Buffer.from(der)
        changed[at] = value
        readClientCert(`:${changed.toString('base64')}:`, true)
      }
    }
  })
})

describe('on Workers', () => {
  const made = makeCertificate('/CN=job', { names: 'DNS:job.example' })
  const told = {
    certPresented: '1',
    certVerified: 'SUCCESS',
    certRevoked: '0',
    certFingerprintSHA256: createHash('sha256').update(made.der).digest('hex'),
    certSubjectDNRFC2253: 'CN=job',
    certRFC9440: made.header,
  }

  test('what Cloudflare saw counts, with all names, or by its fingerprint where it is too large', () => {
    const whole = certificateOfCloudflare(told)
    expect(whole).toMatchObject({ san_dns: ['job.example'], spki: made.spki, verified: true })
    const short = certificateOfCloudflare({ ...told, certRFC9440: '' })
    expect(short).toEqual({ ...whole, san_dns: [], spki: null, issuer: null, der: null })
  })

  test('none, a revoked one and one that failed verification do not', () => {
    expect(certificateOfCloudflare(null)).toBeNull()
    expect(certificateOfCloudflare({ ...told, certPresented: '0' })).toBeNull()
    expect(certificateOfCloudflare({ ...told, certRevoked: '1' })).toBeNull()
    expect(certificateOfCloudflare({ certPresented: '1', certVerified: 'NONE' })).toBeNull()
    for (const certVerified of ['FAILED:self signed certificate', 'NONE', '']) {
      expect(certificateOfCloudflare({ ...told, certVerified })?.verified).toBe(false)
    }
  })
})

describe('elsewhere', () => {
  const made = makeCertificate('/CN=job,O=x')
  const PROXIES = new BlockList()
  PROXIES.addSubnet('10.0.0.0', 8, 'ipv4')
  const mtls = { from: 'header', certificate: 'client-cert', verified: 'x-verified' } as const
  const told = (
    headers: Record<string, string>,
    socket: string,
    source: Parameters<typeof certificateOfPeer>[3] = mtls,
  ) => certificateOfPeer(new Request('http://localhost/', { headers }), socket, PROXIES, source)
  const header = { 'Client-Cert': made.header, 'X-Verified': 'SUCCESS' }

  test('the header counts from a trusted proxy alone', () => {
    expect(told(header, '10.0.0.1')).toMatchObject({ thumbprint: made.thumbprint, verified: true })
    expect(told(header, '::ffff:10.0.0.1')).not.toBeNull()
    for (const socket of ['203.0.113.9', '::1', '127.0.0.1', '']) {
      expect(told(header, socket)).toBeNull()
    }
    const forwarded = { ...header, 'X-Forwarded-For': '10.0.0.1' }
    expect(told(forwarded, '203.0.113.9')).toBeNull()
    expect(told(header, '10.0.0.1', null)).toBeNull()
    expect(told(header, '10.0.0.1', { from: 'cloudflare' })).toBeNull()
  })

  test('a chain counts as verified only where the proxy says so', () => {
    const verified = (value: string, source: Parameters<typeof certificateOfPeer>[3] = mtls) =>
      told({ ...header, 'X-Verified': value }, '10.0.0.1', source)?.verified
    expect(verified('SUCCESS')).toBe(true)
    for (const value of ['FAILED:unable to verify', 'NONE', '', 'SUCCESS, SUCCESS', 'success']) {
      expect(verified(value)).toBe(false)
    }
    expect(verified('SUCCESS', { ...mtls, verified: null })).toBe(false)
  })
})

describe.each(['node', 'deno', 'bun'] as const)('the worker on %s', (runtime) => {
  const made = makeCertificate('/CN=job', { names: 'DNS:job.example' })
  const common = { grant_types: ['client_credentials'], scope: 'orders' }
  const blueprint = {
    clients: [
      {
        ...common,
        client_id: 'named',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_san_dns: 'job.example',
        tls_client_certificate_bound_access_tokens: true,
      },
      {
        ...common,
        client_id: 'keyed',
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        jwks: { keys: [made.jwk] },
      },
    ],
  }
  const settings = {
    CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
    CLIENT_CERTIFICATE_VERIFIED_HEADER: 'X-Client-Cert-Verified',
  }

  async function statuses(worker: RunningWorker): Promise<number[]> {
    const ask = async (client_id: string) => {
      const answer = await fetch(`${worker.issuer}/oauth/token`, {
        method: 'POST',
        headers: { 'Client-Cert': made.header, 'X-Client-Cert-Verified': 'SUCCESS' },
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id }),
      })
      await answer.text()
      return answer.status
    }
    return [await ask('named'), await ask('keyed')]
  }

  test('believes the header of a trusted proxy and of nobody else', async () => {
    for (const [TRUSTED_PROXY, expected] of [
      ['loopback', [200, 200]],
      ['10.0.0.1', [401, 401]],
    ] as const) {
      const worker = await startWorkerOn(runtime, blueprint, { ...settings, TRUSTED_PROXY })
      try {
        expect(await statuses(worker)).toEqual(expected)
      } finally {
        await worker.stop()
      }
    }
  }, 90_000)
})

test('a device over TLS gets a token by a certificate of a registered authority, or of its own', async () => {
  const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const file = (name: string) => readFileSync(join(folder.path, name), 'utf8')
  const root = ['-subj', '/CN=Works', '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30']
  openssl('req', '-x509', ...p256, ...root)
  openssl('req', '-x509', ...p256, ...[...root, '-keyout', 'other.key', '-out', 'other.crt'])
  for (const name of ['dev-1', 'dev-2']) {
    openssl('req', ...p256, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', 'csr')
    const by = name === 'dev-1' ? 'ca' : 'other'
    const signing = ['-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial', '-days', '30']
    openssl('x509', '-req', '-in', 'csr', ...signing, '-out', `${name}.crt`)
  }
  openssl('req', '-x509', ...p256, ...['-subj', '/CN=x', '-keyout', 'own.key', '-out', 'own.crt'])
  const blueprint = {
    device_types: [{ name: 'meter' }],
    device_cas: [{ name: 'works', device_type: 'meter', certificate: file('ca.crt') }],
    devices: [
      { id: 'dev-1', type: 'meter' },
      { id: 'dev-2', type: 'meter' },
      { id: 'dev-3', type: 'meter', credentials: [{ kind: 'x509', certificate: file('own.crt') }] },
    ],
  }
  const front = await startTlsFront({ asksCertificate: true })
  const worker = await startWorkerOn('node', blueprint, {
    CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
    TRUSTED_PROXY: 'loopback',
  })
  front.passTo(Number(new URL(worker.issuer).port))
  const ask = (id: string, shown: string | null) =>
    new Promise<[number | undefined, string]>((done, failed) => {
      const own = shown === null ? {} : { key: file(`${shown}.key`), cert: file(`${shown}.crt`) }
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const options = { method: 'POST', ca: front.certificate, agent: false, headers, ...own }
      const outgoing = request(`${front.origin}/oauth/token`, options, async (answer) => {
        let text = ''
        for await (const piece of answer) text += piece
        done([answer.statusCode, (JSON.parse(text) as { token_type?: string }).token_type ?? ''])
      })
      outgoing.on('error', failed)
      outgoing.end(`grant_type=client_credentials&client_id=${id}`)
    })
  try {
    expect(await ask('dev-1', 'dev-1')).toEqual([200, 'Bearer'])
    expect(await ask('dev-1', 'dev-1')).toEqual([200, 'Bearer'])
    expect(await ask('dev-3', 'own')).toEqual([200, 'Bearer'])
    // Of another authority of the same name, of another device, of itself alone, and none.
    for (const [id, shown] of [
      ['dev-2', 'dev-2'],
      ['dev-2', 'dev-1'],
      ['dev-1', 'own'],
      ['dev-1', null],
    ] as const) {
      expect(await ask(id, shown)).toEqual([401, ''])
    }
  } finally {
    await worker.stop()
    front.stop()
  }
}, 90_000)

test('a host that is told MTLS=cloudflare does not start', async () => {
  writeFileSync(join(folder.path, 'empty'), '')
  const program = run(
    process.execPath,
    [new URL('../../worker/entry/node.ts', import.meta.url).pathname],
    {
      cwd: folder.path,
      env: { MTLS: 'cloudflare' },
    },
  )
  expect(await program.exit).toBe(2)
  expect(program.output()).toContain('MTLS is cloudflare, which is for Workers alone')
})
