// The checks of WebAuthn by the vectors of the W3C, and beside @simplewebauthn/server: whatever one
// of the two accepts or refuses, so does the other.
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  challengeOf,
  checkAssertion,
  checkRegistration,
  PasskeyFault,
  readPasskeyAssertion,
  readPasskeyRegistration,
  relyingParty,
} from '../../../worker/identity/passkeys/webauthn.ts'
import {
  type AlgorithmName,
  cbor,
  decode,
  encode,
  FLAGS,
  SoftwareAuthenticator,
  type Wrong,
} from './software_authenticator.ts'
import { W3C_VECTORS } from './w3c_vectors.ts'

const fromHex = (hex: string) =>
  Uint8Array.from(hex.match(/../g) ?? [], (two) => Number.parseInt(two, 16))
const base64url = (hex: string) => encode(fromHex(hex))

const ORG = { rp_id: 'example.org', origin: 'https://example.org' }
const ALL = { needsVerification: true, needsHandle: true }
const LITTLE = { needsVerification: false, needsHandle: false }

const stored = (made: Awaited<ReturnType<typeof checkRegistration>>, user_handle: string) => ({
  ...made,
  is_synced: Number(made.is_synced),
  user_handle,
})

test.each(W3C_VECTORS)('the vector $name of the W3C is read and verified', async (vector) => {
  const registration = readPasskeyRegistration(
    JSON.stringify({
      id: base64url(vector.credential_id),
      clientDataJSON: base64url(vector.clientDataJSON),
      authenticatorData: base64url(vector.authenticatorData),
    }),
  )
  expect(encode(challengeOf(registration))).toBe(base64url(vector.challenge))
  const made = await checkRegistration(registration, ORG, LITTLE)
  expect(made).toMatchObject({ aaguid: vector.aaguid, is_synced: vector.isSynced, sign_count: 0 })
  const strict = checkRegistration(registration, ORG, { needsVerification: true })
  if (vector.isVerified) await strict
  else await expect(strict).rejects.toThrow('passkey_unverified')

  const use = (change: (one: (typeof vector)['use']) => (typeof vector)['use']) => {
    const { clientDataJSON, authenticatorData, signature } = change(vector.use)
    return readPasskeyAssertion(
      JSON.stringify({
        id: base64url(vector.credential_id),
        clientDataJSON: base64url(clientDataJSON),
        authenticatorData: base64url(authenticatorData),
        signature: base64url(signature),
      }),
    )
  }
  const right = use((one) => one)
  expect(encode(challengeOf(right))).toBe(base64url(vector.use.challenge))
  const passkey = stored(made, 'AAAA')
  expect(await checkAssertion(right, passkey, ORG, LITTLE)).toMatchObject({ isVerified: false })
  await expect(checkAssertion(right, passkey, ORG, ALL)).rejects.toThrow(PasskeyFault)
  const other = use((one) => ({ ...one, signature: one.signature.replace(/.$/, '0') }))
  const isSame = vector.use.signature.endsWith('0')
  if (!isSame) {
    await expect(checkAssertion(other, passkey, ORG, LITTLE)).rejects.toThrow('passkey_signature')
  }
})

const LOCAL = { rp_id: 'localhost', origin: 'http://localhost:8787' }
const CHALLENGE = encode(new TextEncoder().encode('a challenge of the test'))
const TO_CREATE = { challenge: CHALLENGE, rp: { id: 'localhost' }, user: { id: 'AAECAw' } }
const TO_GET = { challenge: CHALLENGE, rpId: 'localhost' }

const succeeds = (promise: Promise<unknown>) =>
  promise.then(
    () => true,
    () => false,
  )

/** The same registration before both: ours, and the peer's. */
async function register(authenticator: SoftwareAuthenticator, wrong: Wrong) {
  const response = await authenticator.create(TO_CREATE, wrong)
  const attestationObject = cbor(
    new Map<string, string | Uint8Array | Map<string, string>>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', decode(response.authenticatorData)],
    ]),
  )
  const ours = (async () => {
    const registration = readPasskeyRegistration(JSON.stringify(response))
    if (encode(challengeOf(registration)) !== CHALLENGE) throw new Error('another challenge')
    return checkRegistration(registration, LOCAL, { needsVerification: true })
  })()
  const peers = verifyRegistrationResponse({
    response: {
      id: response.id,
      rawId: response.id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: response.clientDataJSON,
        attestationObject: encode(attestationObject),
      },
    },
    expectedChallenge: CHALLENGE,
    expectedOrigin: LOCAL.origin,
    expectedRPID: LOCAL.rp_id,
    requireUserVerification: true,
    supportedAlgorithmIDs: [-7, -8, -257],
  }).then(({ verified, registrationInfo }) => {
    if (!verified || registrationInfo === undefined) throw new Error('not verified')
    return registrationInfo
  })
  return { ours, peers }
}

const WRONGS: readonly [string, Wrong, boolean][] = [
  ['as it should be', {}, true],
  ['another origin', { origin: 'http://localhost:9999' }, false],
  ['the origin with a slash', { origin: 'http://localhost:8787/' }, false],
  ['another host', { rpId: 'example.com' }, false],
  ['another challenge', { challenge: 'AAAA' }, false],
  ['another type', { type: 'payment.get' }, false],
  ['nobody present', { without: FLAGS.UP }, false],
  ['nobody verified', { without: FLAGS.UV }, false],
  ['a backup of what has none', { with: FLAGS.BS }, false],
  ['more members in the client data', { more: { later: [1, { a: null }] } }, true],
]

const ALGORITHMS: readonly AlgorithmName[] = ['ES256', 'Ed25519', 'RS256']

describe.each(ALGORITHMS)('with %s', (algorithm) => {
  test.each(WRONGS)('a new passkey: %s', async (_, wrong, isGood) => {
    const authenticator = await SoftwareAuthenticator.make({ algorithm })
    const { ours, peers } = await register(authenticator, wrong)
    expect([await succeeds(ours), await succeeds(peers)]).toEqual([isGood, isGood])
    if (!isGood) return
    const [mine, theirs] = [await ours, await peers]
    expect(mine).toMatchObject({
      credential_id: theirs.credential.id,
      sign_count: theirs.credential.counter,
      aaguid: theirs.aaguid,
      is_synced: theirs.credentialDeviceType === 'multiDevice',
      is_backed_up: theirs.credentialBackedUp,
    })
  })

  test.each<[string, Wrong, boolean]>([
    ...WRONGS,
    ['a count that went back', { count: 1 }, false],
    ['a count of zero after others', { count: 0 }, false],
    ['a great count', { count: 4_294_967_295 }, true],
  ])('a use: %s', async (_, wrong, isGood) => {
    const authenticator = await SoftwareAuthenticator.make({ algorithm })
    const { ours, peers } = await register(authenticator, {})
    const [mine, theirs] = [await ours, await peers]
    const response = await authenticator.get(TO_GET, wrong)
    const checked = (async () => {
      const assertion = readPasskeyAssertion(JSON.stringify(response))
      if (encode(challengeOf(assertion)) !== CHALLENGE) throw new Error('another challenge')
      return checkAssertion(assertion, stored(mine, 'AAECAw'), LOCAL, ALL)
    })()
    const { id, ...rest } = response
    const verified = verifyAuthenticationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: rest,
      },
      expectedChallenge: CHALLENGE,
      expectedOrigin: LOCAL.origin,
      expectedRPID: LOCAL.rp_id,
      requireUserVerification: true,
      credential: theirs.credential,
    }).then((one) => {
      if (!one.verified) throw new Error('not verified')
      return one.authenticationInfo
    })
    expect([await succeeds(checked), await succeeds(verified)]).toEqual([isGood, isGood])
    if (isGood) expect((await checked).sign_count).toBe((await verified).newCounter)
  })

  test('a use with another signature', async () => {
    const authenticator = await SoftwareAuthenticator.make({ algorithm })
    const stranger = await SoftwareAuthenticator.make({ algorithm, id: authenticator.id })
    const { ours, peers } = await register(authenticator, {})
    const [mine, theirs] = [await ours, await peers]
    const { id, ...rest } = await stranger.get(TO_GET, { count: 9, userHandle: 'AAECAw' })
    const checked = checkAssertion(
      readPasskeyAssertion(JSON.stringify({ id, ...rest })),
      stored(mine, 'AAECAw'),
      LOCAL,
      ALL,
    )
    const { verified } = await verifyAuthenticationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: rest,
      },
      expectedChallenge: CHALLENGE,
      expectedOrigin: LOCAL.origin,
      expectedRPID: LOCAL.rp_id,
      credential: theirs.credential,
    })
    expect([await succeeds(checked), verified]).toEqual([false, false])
  })
})

test.each([
  ['https://id.example.com/auth', { rp_id: 'id.example.com', origin: 'https://id.example.com' }],
  ['http://localhost:8787', { rp_id: 'localhost', origin: 'http://localhost:8787' }],
  [
    'https://müller.example',
    { rp_id: 'xn--mller-kva.example', origin: 'https://xn--mller-kva.example' },
  ],
  ['http://127.0.0.1:8787', null],
  ['https://[::1]:8443', null],
])('passkeys of %s are bound to %j', (issuer, party) => {
  expect(relyingParty(issuer)).toEqual(party)
})

test('whatever comes as a response, it is a fault and nothing else', async () => {
  const authenticator = await SoftwareAuthenticator.make()
  const right = await authenticator.create(TO_CREATE)
  const bytes = decode(right.authenticatorData)
  const broken = fc.record({
    at: fc.nat({ max: bytes.length - 1 }),
    by: fc.uint8Array({ maxLength: 40 }),
    end: fc.nat({ max: bytes.length }),
  })
  await fc.assert(
    fc.asyncProperty(broken, fc.uint8Array({ maxLength: 60 }), async ({ at, by, end }, noise) => {
      const data = Uint8Array.from(bytes)
      data.set(by.slice(0, data.length - at), at)
      const responses = [
        { ...right, authenticatorData: encode(data.slice(0, end)) },
        { ...right, clientDataJSON: encode(noise) },
        { ...right, authenticatorData: encode(noise) },
      ]
      for (const response of responses) {
        const checked = (async () =>
          checkRegistration(readPasskeyRegistration(JSON.stringify(response)), LOCAL, LITTLE))()
        const fault = await checked.then(
          () => null,
          (error: unknown) => error,
        )
        expect(fault === null || fault instanceof PasskeyFault, String(fault)).toBe(true)
      }
    }),
    { numRuns: 300 },
  )
})
