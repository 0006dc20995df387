// The device grant (RFC 8628): a device without a browser shows a code; a person allows it on
// another device.
//   /oauth/device_authorization /device
// Owns the table device_authorization (store.ts). device_authorization.ts is the device's side,
// approval.ts the person's. Redemption of the device's code is token/grants/device_code.ts's.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import {
  crossOrigin,
  type Env,
  type Http,
  noStore,
  readForm,
  readQuery,
  wrongMethod,
} from '../../http.ts'
import { assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { readKnownBrowsers } from '../../identity/known_browsers/known_browsers.ts'
import { readSessionCookie } from '../../identity/sessions.ts'
import { english } from '../../messages/messages.ts'
import { deviceConsentPage, deviceDonePage, devicePage } from '../../pages/device_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import { readClientRequest } from '../client_authentication/presented_credentials.ts'
import {
  answerDevice,
  deviceContinuePath,
  deviceLoginPath,
  enterUserCode,
  firstStep,
  type Step,
} from './approval.ts'
import { readUserCode, startDeviceAuthorization } from './device_authorization.ts'

/** Database round trips, warm: device authorization 2, the page 1, a code 2, the answer 2. */
export function deviceFlowRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use('/oauth/device_authorization', crossOrigin(['POST']))
    .post('/oauth/device_authorization', async (c) => {
      noStore(c)
      const { form, presented } = await readClientRequest(c, ['resource'])
      return c.json(await startDeviceAuthorization(c.var.cx, form, presented))
    })
    .all('/oauth/device_authorization', (c) => wrongMethod(c, 'POST'))

    .get('/device', page, async (c) => {
      const code = readQuery(c).get('user_code')
      const first = await firstStep(c.var.cx, readSessionCookie(c))
      // RFC 8628 §3.3.1: a code that came with the address is filled in, and the person sends it.
      return show(c, first, code)
    })
    .post('/device', page, async (c) => {
      const form = await readForm(c)
      assertCsrf(c, form)
      const [code, request] = [form.get('code'), form.get('request')]
      const action = form.get('action')
      const cookie = readSessionCookie(c)
      if (action === 'allow' || action === 'deny') {
        return show(c, await answerDevice(c.var.cx, { code, request, action }, cookie), code)
      }
      if (action !== 'continue' && action !== undefined) {
        throw new OAuthError('invalid_request', {
          description: english('form.action'),
          reason: 'unknown_action',
        })
      }
      return show(c, await enterUserCode(c.var.cx, code, cookie, readKnownBrowsers(c)), code)
    })
}

const USER_CODE_REFUSED = new OAuthError('invalid_request', {
  description: english('device.refused'),
  reason: 'user_code_refused',
})
const USER_CODE_LIMITED = new OAuthError('too_many_requests', {
  description: english('device.too_many'),
  reason: 'user_code_limited',
})

/** The page of a step; `typed` is the code as it came. */
async function show(c: Http, at: Step, typed: string | undefined): Promise<Response> {
  pageHeaders(c)
  // Only text that looks like a code goes back into a page or an address.
  const code = readUserCode(typed) ?? ''
  const m = await pageMessages(c, {
    // A code that is good is filled in again.
    path:
      code === '' || at.step === 'refused' || at.step === 'too_many_attempts'
        ? '/device'
        : `/device?${new URLSearchParams({ user_code: code })}`,
  })
  const form = (error?: string) =>
    devicePage({ code, csrf: csrfToken(c), ...(error === undefined ? {} : { error }) }, m)
  switch (at.step) {
    case 'login':
      return c.redirect(deviceLoginPath(code), 303)
    case 'requirement':
      return c.redirect(deviceContinuePath(c.var.cx, code, at), 303)
    case 'enter':
      return c.html(form())
    case 'refused':
      logRefusal(c.var.cx, USER_CODE_REFUSED)
      return c.html(form(m('device.refused')), 400)
    case 'too_many_attempts':
      c.header('Retry-After', String(at.retry_after))
      logRefusal(c.var.cx, USER_CODE_LIMITED)
      return c.html(form(m('device.too_many')), 429)
    case 'confirm':
      return c.html(deviceConsentPage({ ...at.values, csrf: csrfToken(c) }, m))
    case 'done':
      return c.html(deviceDonePage({ decision: at.decision }, m))
  }
}
