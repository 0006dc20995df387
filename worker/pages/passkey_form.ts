// The form with which a page asks the browser for a passkey, and the one script of these pages. It
// is hidden until the script runs in a browser that has passkeys: without them nothing shows that
// would not work. The script is this one text, which the policy of the page names by its hash.
import { html, raw } from 'hono/html'
import { sha256 } from '../crypto.ts'
import type { Messages } from '../messages/messages.ts'
import { csrfField, type Html, hiddenFields } from './shell.ts'

// The question and the sentences come in `data-passkey`. With `data-autofill` the browser offers
// passkeys in the field of the e-mail address, until the button is pressed.
const SCRIPT = `(() => {
const form = document.querySelector('form[data-passkey]')
if (!form) return
const { publicKey, isNew, words } = JSON.parse(form.dataset.passkey)
const show = (text) => {
  const alert = form.querySelector('.alert')
  alert.textContent = text
  alert.hidden = !text
}
const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0))
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
form.hidden = false
if (!window.PublicKeyCredential) {
  form.querySelector('button').hidden = true
  if (isNew) show(words.none)
  else form.hidden = true
  return
}
const named = (list) => list.map((one) => ({ ...one, id: decode(one.id) }))
publicKey.challenge = decode(publicKey.challenge)
if (isNew) {
  publicKey.user.id = decode(publicKey.user.id)
  publicKey.excludeCredentials = named(publicKey.excludeCredentials)
} else publicKey.allowCredentials = named(publicKey.allowCredentials)
let waiting
let turn = 0
const ask = async (mediation) => {
  const mine = ++turn
  waiting?.abort()
  waiting = new AbortController()
  show('')
  try {
    const options = { publicKey, signal: waiting.signal }
    const { id, response } = isNew
      ? await navigator.credentials.create(options)
      : await navigator.credentials.get(mediation ? { ...options, mediation } : options)
    const answer = { id, clientDataJSON: encode(response.clientDataJSON) }
    if (isNew) {
      answer.authenticatorData = encode(response.getAuthenticatorData())
      answer.transports = response.getTransports ? response.getTransports() : []
    } else {
      answer.authenticatorData = encode(response.authenticatorData)
      answer.signature = encode(response.signature)
      if (response.userHandle) answer.userHandle = encode(response.userHandle)
    }
    form.elements.passkey.value = JSON.stringify(answer)
    form.submit()
  } catch (error) {
    if (mediation || mine !== turn) return
    show(words[error.name] || words.failed)
  }
}
form.addEventListener('submit', (event) => {
  event.preventDefault()
  ask()
})
if ('autofill' in form.dataset && PublicKeyCredential.isConditionalMediationAvailable)
  PublicKeyCredential.isConditionalMediationAvailable().then((can) => {
    if (can && !turn) ask('conditional')
  })
})()`

/** The script as a source of the Content-Security-Policy (CSP Level 3 §2.3.1). */
export const PASSKEY_SCRIPT = `'sha256-${sha256(SCRIPT).replaceAll('-', '+').replaceAll('_', '/')}='`

export type PasskeyFormValues = {
  /** Path to which the answer goes. */
  action: string
  csrf: string
  /** Fields that are sent back as they came. */
  carried: Readonly<Record<string, string>>
  /** Options of `navigator.credentials`, with bytes in base64url. */
  publicKey: object
  isNew: boolean
  button: string
  isPrimary?: boolean
  /** Further fields before the button. */
  fields?: Html
  /** The browser offers passkeys in the field with `autocomplete="username webauthn"`. */
  hasAutofill?: boolean
}

export function passkeyForm(v: PasskeyFormValues, m: Messages): Html {
  const failed = m('passkey.failed')
  const words = {
    NotAllowedError: v.isNew ? m('passkey.not_made') : m('passkey.not_used'),
    InvalidStateError: v.isNew ? m('passkey.already') : failed,
    NotSupportedError: m('passkey.not_supported'),
    ConstraintError: m('passkey.not_supported'),
    SecurityError: m('passkey.wrong_host'),
    failed,
    none: m('passkey.none'),
  }
  const data = JSON.stringify({ publicKey: v.publicKey, isNew: v.isNew, words })
  const autofill = v.hasAutofill === true ? html` data-autofill` : html``
  return html`<form method="post" action="${v.action}" class="passkey" data-passkey="${data}"${autofill} hidden>
${csrfField(v.csrf)}
${hiddenFields({ ...v.carried, passkey: '' })}
<p class="alert" role="alert" hidden></p>
${v.fields ?? html``}
<button${v.isPrimary === true ? html` class="primary"` : html``} type="submit">${v.button}</button>
</form>
<script>${raw(SCRIPT)}</script>`
}
