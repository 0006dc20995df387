// Requests for authorization: from a browser or pushed by the client, through login and consent, to
// a code.
//   /oauth/authorize /consent /oauth/par
// Owns the table authorization_request (request_store.ts). request.ts, request_object.ts and
// pushed_request.ts check parameters, decision.ts decides the next step, authorize.ts takes it,
// consent.ts asks the person, response.ts carries the answer. Leaves sign-in to identity, pages to
// pages/, codes and earlier consents to authorizations/. Answers to browsers are redirects by 303
// and pages; no other origin may read them, so only PAR has CORS.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import {
  crossOrigin,
  type Env,
  type Form,
  type Http,
  noStore,
  readForm,
  readQuery,
  wrongMethod,
} from '../../http.ts'
import { assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { readSessionCookie } from '../../identity/sessions.ts'
import { consentPage } from '../../pages/consent_page.ts'
import { FORM_POST_SCRIPT, formPostPage } from '../../pages/form_post_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { linkingPage } from '../../pages/linking_page.ts'
import { imageSources, page, pageHeaders } from '../../pages/page_headers.ts'
import { readProofRequest } from '../client_authentication/dpop.ts'
import { readClientRequest } from '../client_authentication/presented_credentials.ts'
import { formTargetOf, withAnswer } from '../clients/redirect_uris.ts'
import { authorize } from './authorize.ts'
import { answerConsent, askConsent, type ConsentQuestion } from './consent.ts'
import { pushRequest } from './pushed_request.ts'
import { PARAMETERS, REQUEST_MAX } from './request.ts'
import type { Outcome } from './response.ts'

/**
 * Database round trips, warm: authorize at most 2, the consent page 1, its answer at most 2, PAR 2.
 */
export function authorizeRoutes(): Hono<Env> {
  return (
    new Hono<Env>()
      .get('/oauth/authorize', page, async (c) => {
        // Parameters may be repeated here so that authorize can tell the client that they must not
        // be.
        const form = readQuery(c, PARAMETERS)
        assertFits(new URL(c.req.url).search)
        return leadTo(c, await authorize(c.var.cx, form, readSessionCookie(c)))
      })
      .post('/oauth/authorize', page, async (c) => {
        // A form of another site comes without our Lax cookies; the GET that follows brings them.
        const query = writeQuery(await readForm(c, PARAMETERS))
        assertFits(query)
        return leadTo(c, { to: 'page', path: `/oauth/authorize?${query}` })
      })
      // Libraries such as auth0-spa-js know one vendor's paths instead of discovery, and look here.
      .get('/authorize', page, (c) => {
        const { search } = new URL(c.req.url)
        assertFits(search)
        return leadTo(c, { to: 'page', path: `/oauth/authorize${search}` })
      })
      .get('/consent', page, async (c) => {
        const reference = readQuery(c).get('request') ?? ''
        const question = await askConsent(c.var.cx, reference, readSessionCookie(c))
        if ('to' in question) return leadTo(c, question)
        pageHeaders(c, [question.form_target], { images: imagesOf(question) })
        const csrf = csrfToken(c)
        const messages = await pageMessages(c, question)
        return c.html(
          question.page === 'linking'
            ? linkingPage({ ...question.values, csrf }, messages)
            : consentPage({ ...question.values, csrf }, messages),
        )
      })
      .post('/consent', page, async (c) => {
        const form = await readForm(c)
        assertCsrf(c, form)
        const answer = { request: form.get('request'), action: form.get('action') }
        return leadTo(c, await answerConsent(c.var.cx, answer, readSessionCookie(c)))
      })
      .use('/oauth/par', crossOrigin(['POST']))
      .post('/oauth/par', async (c) => {
        noStore(c)
        const { form, presented } = await readClientRequest(c, ['resource'])
        return c.json(await pushRequest(c.var.cx, form, presented, readProofRequest(c)), 201)
      })
      .all('/oauth/par', (c) => wrongMethod(c, 'POST'))
  )
}

const imagesOf = (question: ConsentQuestion): readonly string[] =>
  question.page === 'consent' ? imageSources(question.values.introduction ?? null) : []

function assertFits(query: string): void {
  if (query.length > REQUEST_MAX) {
    throw new OAuthError('invalid_request', {
      description: 'the request is too long',
      reason: 'request_too_long',
    })
  }
}

const writeQuery = (form: Form): string =>
  new URLSearchParams(
    form.names().flatMap((name) => form.all(name).map((value) => [name, value])),
  ).toString()

/** RFC 9700 §4.12: by 303, so that no browser sends a form onward to the client. */
async function leadTo(c: Http, outcome: Outcome): Promise<Response> {
  if (outcome.to === 'client' && outcome.by === 'form_post') return postTo(c, outcome)
  pageHeaders(c)
  return c.redirect(
    outcome.to === 'page' ? outcome.path : withAnswer(outcome.redirect_uri, outcome.answer),
    303,
  )
}

/** OAuth Form Post Response Mode §2. */
async function postTo(
  c: Http,
  { redirect_uri, answer }: Outcome & { to: 'client' },
): Promise<Response> {
  // Chromium applies form-action also where the client redirects onward, which may be to another
  // host of the client.
  const { protocol } = new URL(redirect_uri)
  pageHeaders(c, [formTargetOf(redirect_uri), protocol], { script: FORM_POST_SCRIPT })
  // Under a policy that hides the origin, browsers send "null", which clients take for a forged
  // form.
  c.header('Referrer-Policy', 'strict-origin')
  const values = { action: redirect_uri, fields: answer }
  return c.html(formPostPage(values, await pageMessages(c, { path: null })))
}
