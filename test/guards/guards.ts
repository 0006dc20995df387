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
]
