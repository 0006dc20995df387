// The published rules of the vendors for account linking, tried over HTTP in the way of the vendor:
// the validation tool of Google and the requirements of Amazon. Knows no database; check.ts passes
// the values from it.
import { createHash } from 'node:crypto'
import { LINKED_TOKEN_TTL_MIN, VENDORS, vendorAddresses } from '../../oauth/clients/presets.ts'
import { FormBrowser, type Left, type Page } from './form_browser.ts'
import {
  type Answer,
  type Endpoints,
  type Linking,
  type Person,
  playVendor,
  readTokens,
  STATE,
  type Tokens,
} from './vendor.ts'

/** The source of a Content-Security-Policy that allows one script (CSP Level 3 §2.3.1). */
const hashSource = (script: string): string =>
  `'sha256-${createHash('sha256').update(script).digest('base64')}'`

/** Every rule, in the order of the report. */
const RULES = {
  preset: 'the client has the preset of its vendor',
  https: 'the server is reached by https, at port 443',
  addresses: 'every address of the vendor is accepted',
  foreign_addresses: 'no other address is, however alike',
  link: 'a link comes about as the vendor asks for it, without PKCE',
  pages: 'pages are made for phones, and have no pop-up, no frame and no script but their own',
  wording: 'the page names the vendor and has buttons to agree and to cancel',
  cancel: 'who cancels is sent back with access_denied',
  state: 'state comes back as it was sent',
  secret_in_body: 'the secret may be sent in the body',
  secret_in_header: 'the secret may be sent in the header (Basic)',
  token_type: 'the token type is Bearer',
  expires_in: `access tokens live ${LINKED_TOKEN_TTL_MIN} seconds or longer`,
  refresh_token: 'access tokens, which end, come with a refresh token',
  no_jwt: 'access tokens are no JWTs',
  usable: 'the access token works',
  new_access_token: 'a refresh gives another access token',
  older_access_tokens: 'older access tokens keep working',
  kept_refresh_token: 'the refresh token is kept, and good again',
  parallel_refreshes: 'two refreshes at once both succeed',
  refusals: 'a wrong code and a wrong refresh token are 400 invalid_grant',
  wrong_secret: 'a wrong secret is refused in words that the vendor knows',
  second_link: 'a second link leaves the first one alone',
  unlink: 'revocation ends one link, with all its tokens',
  answer_time: 'the token endpoint answers within 4.5 seconds',
} as const

export type Rule = keyof typeof RULES

export type Finding = {
  rule: Rule
  title: string
  result: 'pass' | 'warn' | 'fail' | 'not_reached'
  /** The finding and its remedy. */
  detail?: string
}

/** Seconds that Alexa waits. */
const ANSWER_MAX = 4.5

/** Thrown when a check cannot go on: rules that depend on it are not reached. */
class Stuck extends Error {}

const USE_PRESET = 'give the client the preset'

/** Tries every rule. Throws the errors of `fetch` when the server goes away. */
export async function tryLinking(
  endpoints: Endpoints,
  linking: Linking,
  person: Person,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { client, preset } = linking
  const vendor = VENDORS[preset.name]
  const addresses = vendorAddresses(preset)
  const play = playVendor(endpoints, linking, person, signal)
  const { redirect_uri } = play
  const noted = new Map<Rule, Pick<Finding, 'result' | 'detail'>>()

  /** Notes whether a rule holds; a broken rule stays broken. Answers `holds`. */
  function judge(rule: Rule, holds: boolean, detail: string): boolean {
    if (noted.get(rule)?.result !== 'fail') {
      noted.set(rule, holds ? { result: 'pass' } : { result: 'fail', detail })
    }
    return holds
  }

  try {
    checkServer()
    await checkAddresses()
    const first = await checkFirstLink()
    await checkRefreshes(first)
    await checkRefusals()
    await checkSecondLink(first)
  } catch (error) {
    if (!(error instanceof Stuck)) throw error
  }
  const slowest = play.slowest()
  if (slowest > 0) {
    judge('answer_time', slowest < ANSWER_MAX, `the slowest answer took ${slowest.toFixed(1)} s`)
  }
  return (Object.entries(RULES) as [Rule, string][]).map(([rule, title]) => ({
    rule,
    title,
    ...(noted.get(rule) ?? { result: 'not_reached' as const }),
  }))

  // --- the rules --------------------------------------------------------------------------------

  function checkServer(): void {
    judge(
      'preset',
      client.preset !== null,
      `it has none: set "preset": ${JSON.stringify(preset)}, which sets the rest right too`,
    )
    const { protocol, port, hostname } = new URL(endpoints.issuer)
    const detail = `the issuer is ${endpoints.issuer}: no vendor gets there`
    const holds = protocol === 'https:' && port === ''
    const isHere = /^(localhost|127\.|\[::1\])/.test(hostname)
    noted.set('https', holds ? { result: 'pass' } : { result: isHere ? 'warn' : 'fail', detail })
  }

  /**
   * Where a request leads before anybody signs in: to the vendor, to a page of this server, or
   * nowhere.
   */
  async function isAccepted(uri: string): Promise<boolean> {
    const shown = await new FormBrowser(signal).open(play.authorizationUrl({ redirect_uri: uri }))
    return 'left' in shown || shown.status < 400
  }

  async function checkAddresses(): Promise<void> {
    for (const uri of addresses) {
      judge('addresses', await isAccepted(uri), `${uri} is refused: ${USE_PRESET}`)
    }
    const { origin, hostname } = new URL(redirect_uri)
    const alike = [
      `${redirect_uri}/`,
      `${redirect_uri}x`,
      `${redirect_uri}?x=1`,
      redirect_uri.slice(0, -1),
      redirect_uri.replace('https:', 'http:'),
      redirect_uri.replace(hostname, `${hostname}.example`),
      redirect_uri.replace(hostname, `x.${hostname}`),
      `${origin}/`,
    ]
    for (const uri of alike) {
      judge('foreign_addresses', !(await isAccepted(uri)), `${uri} is accepted: take it away`)
    }
  }

  async function checkFirstLink(): Promise<Tokens> {
    const opening = await trying('link', () => play.ask())
    const refusal = 'left' in opening ? opening.left.searchParams : null
    if (refusal?.has('error')) {
      const fault = refusal.get('error_description') ?? refusal.get('error')
      judge('link', false, `it is refused: ${fault}; ${USE_PRESET}`)
      throw new Stuck()
    }
    const denial = await trying('link', () => play.answer(opening, 'deny'))
    const isDenied = denial['error'] === 'access_denied'
    judge('cancel', isDenied, `the answer was ${denial['error'] ?? 'a code: nobody was asked'}`)
    const question = await play.ask()
    checkPages(question)
    const back = await trying('link', () => play.answer(question, 'allow'))
    const states = [denial['state'], back['state']]
    judge(
      'state',
      states.every((one) => one === STATE),
      `it came back as ${back['state']}`,
    )
    const { code = '' } = back
    if (!judge('link', code !== '', `the answer was ${back['error']}`)) throw new Stuck()
    const redeemed = await play.redeem('body', code)
    const inBody = redeemed.status === 200
    judge('secret_in_body', inBody, `${describeAnswer(redeemed)}; ${USE_PRESET}`)
    if (inBody) return checkTokens(redeemed)
    // Uses the header then, so that the rest can be tried; the code was not consumed.
    play.usual = 'header'
    const inHeader = await play.redeem('header', code)
    if (!judge('secret_in_header', inHeader.status === 200, describeAnswer(inHeader)))
      throw new Stuck()
    return checkTokens(inHeader)
  }

  function checkPages(question: Page | Left): void {
    for (const page of play.browser.pages) {
      // A script that the page brings itself and its policy names by hash, such as for passkeys.
      const own = [...page.html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text)
      const rest = page.html.replaceAll(/<script>[\s\S]*?<\/script>/g, '')
      const found = /<script|<iframe|\son[a-z]+=|javascript:|target="_blank"/i.exec(rest)
      judge('pages', found === null, `${page.url.pathname} has ${found?.[0]}`)
      const opens = own.some((text = '') => /window\.open|\balert\(/.test(text))
      judge('pages', !opens, `${page.url.pathname} opens a pop-up`)
      const isFluid = /<meta name="viewport"/.test(page.html)
      judge('pages', isFluid, `${page.url.pathname} has no viewport for phones`)
      const policy = page.headers.get('content-security-policy') ?? ''
      const allowed = /script-src ([^;]*)/.exec(policy)?.[1]?.trim().split(' ') ?? []
      const isOwn = own.every((text = '') => allowed.includes(hashSource(text)))
      const isNamed = allowed.every((source) => source.startsWith("'sha256-"))
      const forbids = /default-src 'none'/.test(policy) && isOwn && isNamed
      judge('pages', forbids, `${page.url.pathname} has a policy that allows scripts`)
    }
    if ('left' in question) {
      judge('wording', false, `nobody is asked: ${USE_PRESET}`)
      return
    }
    const text = question.html.replaceAll(/<[^>]*>/g, ' ')
    judge('wording', text.includes(vendor.title), `it does not say ${vendor.title}: ${USE_PRESET}`)
    for (const action of ['allow', 'deny']) {
      const has = question.html.includes(`name="action" value="${action}"`)
      judge('wording', has, `it has no button ${action}`)
    }
  }

  function checkTokens({ body }: Answer): Tokens {
    judge('token_type', body['token_type'] === 'Bearer', `it is ${body['token_type']}`)
    judge(
      'expires_in',
      Number(body['expires_in']) >= LINKED_TOKEN_TTL_MIN,
      `they live ${body['expires_in']} s: set access_token_ttl of the client`,
    )
    const { access_token, refresh_token } = readTokens(body)
    judge('no_jwt', !isJwt(access_token), `one is a JWT: ${USE_PRESET}`)
    if (!judge('refresh_token', refresh_token !== '', `there is none: ${USE_PRESET}`)) {
      throw new Stuck()
    }
    return { access_token, refresh_token }
  }

  async function checkRefreshes({ access_token, refresh_token }: Tokens): Promise<void> {
    judge('usable', await play.works(access_token), 'it does not, at its own issuer')
    const seen = [access_token]
    for (let i = 0; i < 2; i++) {
      const next = await play.refresh(refresh_token)
      const kept = next.body['refresh_token'] ?? refresh_token
      const isKept = next.status === 200 && kept === refresh_token
      if (!judge('kept_refresh_token', isKept, `refresh ${i + 1}: ${describeAnswer(next)}`))
        throw new Stuck()
      const token = readTokens(next.body).access_token
      judge('new_access_token', !seen.includes(token), 'it is the same one')
      judge('no_jwt', !isJwt(token), `one is a JWT: ${USE_PRESET}`)
      seen.push(token)
    }
    for (const token of seen) judge('older_access_tokens', await play.works(token), 'one does not')
    const both = await Promise.all([play.refresh(refresh_token), play.refresh(refresh_token)])
    const tokens = both.map(({ body }) => readTokens(body).access_token)
    judge(
      'parallel_refreshes',
      both.every(({ status }) => status === 200) && tokens[0] !== tokens[1],
      both.map(describeAnswer).join(', '),
    )
  }

  async function checkRefusals(): Promise<void> {
    for (const [what, refused] of [
      ['a wrong code', await play.redeem(play.usual, 'wrong')],
      ['a wrong refresh token', await play.refresh('wrong')],
    ] as const) {
      const holds = refused.status === 400 && refused.body['error'] === 'invalid_grant'
      judge('refusals', holds, `${what}: ${describeAnswer(refused)}`)
    }
    const refused = await play.refresh('wrong', { client_secret: 'x'.repeat(43) })
    const { status, body } = refused
    judge(
      'wrong_secret',
      vendor.refuses_alike
        ? status === 400 && body['error'] === 'invalid_grant'
        : status === 401 && body['error'] === 'invalid_client',
      `${describeAnswer(refused)}; ${USE_PRESET}`,
    )
  }

  async function checkSecondLink(first: Tokens): Promise<void> {
    const other = play.usual === 'body' ? 'header' : 'body'
    const back = await trying('second_link', async () => play.answer(await play.ask(), 'allow'))
    const code = back['code'] ?? ''
    let redeemed = await play.redeem(other, code)
    const rule = other === 'header' ? 'secret_in_header' : 'secret_in_body'
    judge(rule, redeemed.status === 200, `${describeAnswer(redeemed)}; ${USE_PRESET}`)
    if (redeemed.status !== 200) redeemed = await play.redeem(play.usual, code)
    const second = readTokens(redeemed.body)
    const { status } = await play.refresh(first.refresh_token)
    judge(
      'second_link',
      status === 200 && (await play.works(first.access_token)),
      'it ended the first',
    )

    const revoked = await play.revoke(first.refresh_token)
    judge('unlink', revoked.status === 200, describeAnswer(revoked))
    const dead = await play.refresh(first.refresh_token)
    judge('unlink', dead.status === 400, 'the refresh token is good still')
    judge('unlink', !(await play.works(first.access_token)), 'an access token works still')
    judge('unlink', await play.works(second.access_token), 'it ended another link too')
    await play.revoke(second.refresh_token)
  }

  /** Takes a step on which a rule depends. Throws Stuck. */
  async function trying<T>(rule: Rule, step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      // Faults of the connection belong to no rule.
      if (!(error instanceof Error) || error instanceof TypeError || signal.aborted) throw error
      judge(rule, false, error.message)
      throw new Stuck()
    }
  }
}

const isJwt = (token: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(token)

const describeAnswer = ({ status, body }: Answer): string =>
  [`answered ${status}`, body['error'], body['error_description']]
    .filter((one) => one !== undefined)
    .join(' ')
