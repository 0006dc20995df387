// The page on which a person adds the first second factor, because one is demanded: a passkey where
// the browser has them, or an authenticator app, which needs no script.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { appKey, type NewAppValues } from '../account/security_page.ts'
import { passkeyForm } from '../passkey_form.ts'
import { csrfField, type Html, hiddenFields, sentence } from '../shell.ts'
import { type ContinueValues, continueFrame } from './continue_page.ts'

export type FactorQuestion = ContinueValues & {
  app: Pick<NewAppValues, 'setup' | 'key' | 'qr'>
  /** The question for a new passkey; null where there can be none. */
  passkey: { user: { id: string } } | null
  /** A code may be mailed instead. */
  byMail: boolean
}

export function factorQuestionPage(v: FactorQuestion, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const passkey =
    v.passkey === null
      ? html``
      : html`<h2>${m('missing.factor_passkey')}</h2>
<p class="beside">${m('security.passkey_lead')}</p>
${passkeyForm(
  {
    action: '/continue',
    csrf: v.csrf,
    carried: { ...v.carried, user_handle: v.passkey.user.id },
    publicKey: v.passkey,
    isNew: true,
    button: m('passkey.create'),
  },
  m,
)}
<noscript><p class="beside">${m('passkey.no_script')}</p></noscript>`
  const app = html`<h2>${m('missing.factor_app')}</h2>
<p class="beside">${m('security.add_lead')}</p>
${appKey(v.app, m)}
<form method="post" action="/continue">
${csrfField(v.csrf)}
${hiddenFields({ ...v.carried, setup: v.app.setup })}
<label for="code">${m('security.code')}</label>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required${invalid}>
<div class="actions"><button class="primary" type="submit" name="action" value="save">${m('missing.factor_save')}</button></div>
</form>`
  const mail = v.byMail
    ? html`<h2>${m('missing.factor_mail')}</h2>
<p class="beside">${m('missing.factor_mail_lead')}</p>
<form method="post" action="/continue">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<div class="actions"><button type="submit" name="action" value="send">${m('missing.factor_mail_send')}</button></div>
</form>`
    : html``
  return continueFrame(
    {
      ...v,
      title: m('missing.factor_title'),
      heading: html`<h1>${m('missing.factor_title')}</h1>`,
      lead: m('missing.factor_lead'),
      body: html`${app}
${passkey}
${mail}`,
      submit: null,
      out: m('missing.sign_out'),
    },
    m,
  )
}

/** `other`: the page with the other ways. */
export type MailCodeQuestion = ContinueValues & { other: string }

export function mailCodePage(v: MailCodeQuestion, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  return continueFrame(
    {
      ...v,
      title: m('address.sent_title'),
      heading: html`<h1>${m('address.sent_title')}</h1>`,
      lead: sentence(m, 'missing.factor_mail_sent', { email: v.email }),
      body: html`<form method="post" action="/continue">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="mail_code">${m('security.code')}</label>
<input id="mail_code" name="mail_code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required autofocus${invalid}>
<div class="actions"><button class="primary" type="submit" name="action" value="save">${m('second_factor.submit')}</button></div>
</form>
<form method="post" action="/continue">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<div class="actions">
<button type="submit" name="action" value="send">${m('missing.address_again')}</button>
<a class="button" href="${v.other}">${m('missing.factor_other')}</a>
</div>
</form>`,
      submit: null,
      out: m('missing.sign_out'),
    },
    m,
  )
}
