// Two banks as the suite of FAPI 2.0 has them: clients with the profile, a key for assertions and one for proofs, and a
// browser in which Ann is signed in.
import { beforeEach } from 'vitest'
import { changeUser } from '../../worker/identity/users.ts'
import { createClient } from '../../worker/oauth/clients/clients.ts'
import { Browser, type Page } from '../identity/browser.ts'
import { PROFILE } from './certification.ts'
import { answerOf, follow, requestParameters, signIn, startFlow, VERIFIER } from './flow.ts'
import {
  type AssertionOptions,
  asserted,
  assertion,
  claimsOf,
  dpopProof,
  fapiMembers,
  makeSigner,
  type ProofOptions,
  post,
  type Signer,
  token,
} from './token_fixtures.ts'

export const PAR = '/oauth/par'
export const USERINFO = '/oauth/userinfo'
export const callbackOf = (client_id: string) => `https://${client_id}.example/callback`

export type Bank = { client_id: string; signer: Signer; key: Signer }
export type Changes = Record<string, string | string[] | undefined>
export type Parameters = Record<string, string | undefined>

/** The parameters of a good request, changed by `changes`. */
export const parametersOf = ({ client_id }: Bank, changes: Changes = {}) => [
  ...requestParameters({
    client_id,
    redirect_uri: callbackOf(client_id),
    nonce: 'n-1',
    ...changes,
  }),
]

/** Where a browser opens a pushed request. */
export const openPath = (
  request_uri: unknown,
  client_id: string,
  more: Record<string, string> = {},
) =>
  `/oauth/authorize?${new URLSearchParams({ client_id, request_uri: String(request_uri), ...more })}`

/** The answer that a page leads to the bank with. */
export const answered = (bank: Bank, page: Page) => answerOf(page, callbackOf(bank.client_id))

export async function startBanks() {
  const { worker } = await startFlow()
  const about = { name: 'Ann Ex', locale: 'de', profile: PROFILE }
  await changeUser(worker.context(), 'ann', about, null)
  await worker.request('/.well-known/jwks.json')

  async function addBank(client_id: string): Promise<Bank> {
    const [signer, key] = [await makeSigner('PS256', `${client_id}-1`), await makeSigner('ES256')]
    await createClient(worker.context(), {
      client_id,
      ...fapiMembers(signer),
      redirect_uris: [callbackOf(client_id)],
      grant_types: ['authorization_code', 'refresh_token'],
      scope: 'openid profile email address phone offline_access',
    })
    return { client_id, signer, key }
  }
  const one = await addBank('one')
  const two = await addBank('two')

  let browser: Browser
  const ann = () => signIn(worker, browser, 'ann')
  /** Another browser, in which nobody is signed in. */
  const stranger = () => {
    browser = new Browser(worker).inEnglish()
  }
  beforeEach(async () => {
    stranger()
    await ann()
  })
  const get = (path: string) => browser.get(path)

  const prove = async ({ client_id, signer }: Bank, options: AssertionOptions = {}) =>
    asserted(await assertion(worker, signer, client_id, options))

  /** Pushes a request with a good assertion, and a proof where one is given. */
  async function push(bank: Bank, changes: Changes = {}, DPoP?: string) {
    const proven = Object.entries(await prove(bank))
    const headers: Record<string, string> = DPoP === undefined ? {} : { DPoP }
    return post(worker, PAR, [...parametersOf(bank, changes), ...proven], headers)
  }

  /** Opens a pushed request; whoever sits there presses `action` where a question is shown. */
  async function open(bank: Bank, pushed: { body: object }, more = {}, action = 'allow') {
    const { request_uri } = pushed.body as { request_uri?: string }
    const page = await browser.get(openPath(request_uri, bank.client_id, more))
    const question = await follow(browser, page)
    return question.html.includes('action="/consent"')
      ? browser.submit(question, { action })
      : question
  }

  /** A code for a request that is changed by `changes`. */
  async function codeFor(bank: Bank, changes: Changes = {}, DPoP?: string): Promise<string> {
    const pushed = await push(bank, changes, DPoP)
    if (pushed.status !== 201) throw new Error(JSON.stringify(pushed.body))
    return answered(bank, await open(bank, pushed))['code'] ?? ''
  }

  /** A token request with assertion and proof; null leaves the proof out. */
  async function redeem(bank: Bank, code: string, more: Parameters = {}, DPoP?: string | null) {
    const proof = DPoP === undefined ? await dpopProof(worker, bank.key) : DPoP
    return token(
      worker,
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: callbackOf(bank.client_id),
        code_verifier: VERIFIER,
        ...(await prove(bank)),
        ...more,
      },
      proof === null ? {} : { DPoP: proof },
    )
  }

  async function refresh(bank: Bank, refresh_token = '', more: Parameters = {}, bound = true) {
    const grant = { grant_type: 'refresh_token', refresh_token, ...(await prove(bank)), ...more }
    return token(worker, grant, bound ? { DPoP: await dpopProof(worker, bank.key) } : {})
  }

  const proofAt = ({ key }: Bank, access_token: string, more: ProofOptions = {}) =>
    dpopProof(worker, key, { path: USERINFO, method: 'GET', access_token, ...more })

  /** The status of userinfo for a token and a proof. */
  async function use(access_token: string, DPoP: string, scheme = 'DPoP') {
    const headers = { Authorization: `${scheme} ${access_token}`, DPoP }
    return (await worker.request(USERINFO, { headers })).status
  }

  /** Tokens for a request that is changed by `changes`. */
  async function tokensFor(bank: Bank, changes: Changes = {}) {
    const { status, body } = await redeem(bank, await codeFor(bank, changes))
    if (status !== 200) throw new Error(JSON.stringify(body))
    const { access_token = '', refresh_token = '', id_token = '' } = body
    return { access_token, refresh_token, id_token, claims: claimsOf(id_token) }
  }

  return {
    worker,
    one,
    two,
    ann,
    stranger,
    get,
    prove,
    push,
    open,
    codeFor,
    redeem,
    refresh,
    proofAt,
    use,
    tokensFor,
  }
}
