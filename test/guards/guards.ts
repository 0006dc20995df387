// Guards against known attacks, each with the text that is taken away or changed, and the test that notices. A patch
// is one exact piece of a file that stands there once; test/guards.test.ts holds that, so that no guard moves away
// unseen. `npm run guards` takes them away.
export type Guard = {
  name: string
  /** What it guards against, with its source. */
  attack: string
  file: string
  from: string
  to: string
  /** Path under test/, without `.test.ts`. */
  test: string
  /** Part of the names of the tests to run; absent: the whole file. */
  title?: string
}

export const GUARDS: readonly Guard[] = [
  {
    name: 'code-bound-to-client',
    attack: 'a code redeemed by another client (RFC 6749 §4.1.3, Zitadel CVE-2026-55672)',
    file: 'worker/oauth/grants/authorization_code.ts',
    from: "if (code.client_id !== client.client_id) throw refused('code_of_another_client')",
    to: '',
    test: 'oauth/token',
    title: 'another client',
  },
  {
    name: 'dpop-typ',
    attack: 'some other JWT taken for a proof (RFC 9449 §4.3, step 3)',
    file: 'worker/oauth/dpop.ts',
    from: "      typ: 'dpop+jwt',\n",
    to: '',
    test: 'oauth/dpop',
    title: 'another type',
  },
  {
    name: 'dpop-method',
    attack: 'a proof for another method (RFC 9449 §4.3)',
    file: 'worker/oauth/dpop.ts',
    from: "if (htm !== method) throw refused('proof_htm')",
    to: '',
    test: 'oauth/dpop',
    title: 'another htm',
  },
  {
    name: 'dpop-address',
    attack: 'a proof made for another endpoint or server (RFC 9449 §4.3)',
    file: 'worker/oauth/dpop.ts',
    from: "typeof htu !== 'string' || normalise(htu) !== normalise(`${cx.config.issuer}${path}`)",
    to: "typeof htu !== 'string'",
    test: 'oauth/dpop',
    title: 'another path',
  },
  {
    name: 'dpop-access-token',
    attack: 'a proof used with another access token (RFC 9449 §4.3, §11.9)',
    file: 'worker/oauth/dpop.ts',
    from: "if (access_token !== undefined && ath !== sha256(access_token)) throw refused('proof_ath')",
    to: '',
    test: 'oauth/dpop',
    title: 'is refused as a bearer token',
  },
  {
    name: 'dpop-nonce',
    attack: 'proofs made in advance (RFC 9449 §11.2)',
    file: 'worker/oauth/dpop.ts',
    from: '|| !isOurNonce(cx, nonce)',
    to: '',
    test: 'oauth/dpop',
    title: 'the nonce changes with time',
  },
  {
    name: 'dpop-proof-once-at-resources',
    attack: 'a proof replayed at a resource (RFC 9449 §11.1)',
    file: 'worker/oauth/sender_constraint.ts',
    from: 'if (mine.length !== proofs.length) {',
    to: 'if (mine.length < 0) {',
    test: 'oauth/dpop',
    title: 'with one proof, one is answered',
  },
  {
    name: 'dpop-proof-id',
    attack: 'an assertion that burns the proof of another',
    file: 'worker/oauth/dpop.ts',
    from: '`dpop proof\\n${jkt}\\n${jti}`',
    to: '`dpop\\n${jkt}\\n${jti}`',
    test: 'oauth/dpop',
    title: 'is made to look like a proof',
  },
  {
    name: 'dpop-token-as-bearer',
    attack: 'a stolen bound token used as bearer token (RFC 9449 §7.2)',
    file: 'worker/oauth/sender_constraint.ts',
    from: "if (isDpop && scheme !== 'DPoP') throw refused('bound_token_as_bearer', 'DPoP')",
    to: "if (isDpop && scheme !== 'DPoP') return []",
    test: 'oauth/dpop',
    title: 'is refused as a bearer token',
  },
  {
    name: 'dpop-key-of-token',
    attack: 'a stolen bound token with a key of the thief (RFC 9449 §4.3, step 12)',
    file: 'worker/oauth/sender_constraint.ts',
    from: "if (checked.jkt !== cnf.jkt) throw refused('key_of_another')",
    to: '',
    test: 'oauth/dpop',
    title: 'is refused as a bearer token',
  },
  {
    name: 'dpop-refresh-token',
    attack: 'a stolen refresh token with a key of the thief (RFC 9449 §5)',
    file: 'worker/oauth/grants/refresh_token.ts',
    from: "if (!provesBinding(caller, token.cnf)) throw refused('key_of_another')",
    to: '',
    test: 'oauth/dpop',
    title: 'harms no family',
  },
  {
    name: 'dpop-code',
    attack: 'a stolen code redeemed with a key of the thief (RFC 9449 §10)',
    file: 'worker/oauth/grants/authorization_code.ts',
    from: "if (!provesDpopKey(caller, code.dpop_jkt)) throw refused('dpop_jkt')",
    to: '',
    test: 'oauth/dpop',
    title: 'a code bound to a key',
  },
  {
    name: 'mtls-token',
    attack: 'a stolen token without its certificate (RFC 8705 §3)',
    file: 'worker/oauth/sender_constraint.ts',
    from: "if (cx.client_certificate?.thumbprint !== cnf['x5t#S256']) throw refused('other_certificate')",
    to: '',
    test: 'oauth/mtls',
    title: 'with that certificate alone',
  },
  {
    name: 'mtls-chain',
    attack: 'a certificate that nobody vouches for, with the name of a client (RFC 8705 §2.1)',
    file: 'worker/oauth/tls_client_auth.ts',
    from: "if (!certificate.verified) throw refused('chain_not_verified')",
    to: '',
    test: 'oauth/mtls',
    title: 'and a chain that was verified',
  },
  {
    name: 'mtls-name',
    attack: 'a certificate of somebody else (RFC 8705 §2.1)',
    file: 'worker/oauth/tls_client_auth.ts',
    from: "if (!isNamed(client, certificate)) throw refused('other_certificate_name')",
    to: '',
    test: 'oauth/mtls',
    title: 'and by no other name',
  },
  {
    name: 'mtls-header',
    attack: 'a certificate header that anybody sends (RFC 9440 §4)',
    file: 'worker/entry/host.ts',
    from: "if (family === 0 || !trusted.check(address, family === 6 ? 'ipv6' : 'ipv4')) return null",
    to: '',
    test: 'host/client_certificate',
    title: 'from a trusted proxy alone',
  },
  {
    name: 'jwks-uri-pace',
    attack: 'made-up key ids that make us ask a client’s server without end',
    file: 'worker/oauth/client_keys.ts',
    from: 'if (known === undefined || (isOld && isLacking)) {',
    to: 'if (known === undefined || isLacking) {',
    test: 'oauth/client_keys',
    title: 'made-up key ids',
  },
  {
    name: 'fapi-audience',
    attack: 'an assertion that another server could use (FAPI 2.0 §5.3.2.1)',
    file: 'worker/oauth/client_authentication.ts',
    from: "if (isFapi && aud !== issuer) throw refused('assertion_audience')",
    to: '',
    test: 'oauth/fapi_token',
    title: 'an assertion with',
  },
  {
    name: 'fapi-method',
    attack: 'a secret where the profile wants a key (FAPI 2.0 §5.3.2.1)',
    file: 'worker/oauth/client_authentication.ts',
    from: "if (isFapi(client) && method !== 'private_key_jwt') throw refused('method_of_profile')",
    to: '',
    test: 'oauth/fapi_token',
    title: 'a secret is refused',
  },
]
