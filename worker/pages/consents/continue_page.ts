// The page between a sign-in and the place where the person wanted to go: it asks for one missing
// thing at a time. Each form sends back the way onward as it came, and each page has the way out.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { type ProfileField, profileInputs } from '../account/profile_page.ts'
import {
  alert,
  csrfField,
  type Html,
  hiddenFields,
  moment,
  person,
  sentence,
  shell,
} from '../shell.ts'
import { consentText, type TextValues } from './consent_text.ts'

/** Parts of every such page. */
export type ContinueValues = {
  email: string
  csrf: string
  /** Fields that the form sends back: the kind of what is missing, and the way onward. */
  carried: Readonly<Record<string, string>>
  error?: string
}

export type TextQuestion = ContinueValues &
  TextValues & {
    /** The person's last word about a text of this kind. */
    standing: 'none' | 'accepted' | 'outdated' | 'withdrawn'
    /** The person is too young to decide alone. */
    needsGuardian: boolean
  }

export function textQuestionPage(v: TextQuestion, m: Messages): Html {
  return continueFrame(
    {
      ...v,
      title: v.title,
      heading: html`<h1 lang="${v.locale}" dir="auto">${v.title}</h1>`,
      lead: v.needsGuardian
        ? m('missing.guardian_lead')
        : v.standing === 'none'
          ? m('missing.consent_lead')
          : m('missing.consent_again_lead'),
      body: consentText(v, m),
      submit: v.needsGuardian
        ? null
        : html`<button class="primary" type="submit" name="action" value="accept">${m('missing.accept')}</button>`,
      out: v.needsGuardian ? m('missing.sign_out') : m('missing.decline'),
    },
    m,
  )
}

export type ProfileQuestion = ContinueValues & {
  fields: readonly Omit<ProfileField, 'isRequired'>[]
}

export function profileQuestionPage(v: ProfileQuestion, m: Messages): Html {
  const fields = profileInputs(
    v.fields.map((field) => ({ ...field, isRequired: true })),
    m,
    v.fields[0]?.name,
  )
  return continueFrame(
    {
      ...v,
      title: m('missing.profile_title'),
      heading: html`<h1>${m('missing.profile_title')}</h1>`,
      lead: m('missing.profile_lead'),
      body: html``,
      fields,
      submit: html`<button class="primary" type="submit" name="action" value="save">${m('missing.save')}</button>`,
      out: m('missing.sign_out'),
    },
    m,
  )
}

export type PasswordQuestion = ContinueValues & { password_min: number }

export function passwordQuestionPage(v: PasswordQuestion, m: Messages): Html {
  const about = v.error === undefined ? '' : ' alert'
  return continueFrame(
    {
      ...v,
      title: m('missing.password_title'),
      heading: html`<h1>${m('missing.password_title')}</h1>`,
      lead: m('missing.password_lead'),
      body: html``,
      fields: html`<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="password">${m('missing.present_password')}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>
<label for="new_password">${m('missing.new_password')}</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint${about}" required>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>`,
      submit: html`<button class="primary" type="submit" name="action" value="save">${m('missing.save')}</button>`,
      out: m('missing.sign_out'),
    },
    m,
  )
}

/** `onward`: the link was mailed, and there the person goes on once the address is proven. */
export type AddressQuestion = ContinueValues & { onward?: string }

export function addressQuestionPage(v: AddressQuestion, m: Messages): Html {
  const wasSent = v.onward !== undefined
  const title = wasSent ? m('address.sent_title') : m('missing.address_title')
  const send = wasSent
    ? html`<a class="button primary" href="${v.onward}">${m('missing.address_proven')}</a>
<button type="submit" name="action" value="send">${m('missing.address_again')}</button>`
    : html`<button class="primary" type="submit" name="action" value="send">${m('address.submit')}</button>`
  return continueFrame(
    {
      ...v,
      title,
      heading: html`<h1>${title}</h1>`,
      lead: wasSent ? sentence(m, 'address.sent', { email: v.email }) : m('missing.address_lead'),
      body: html``,
      submit: send,
      out: m('missing.sign_out'),
    },
    m,
  )
}

export type RenewedWayIn = ContinueValues & {
  renewed_at: number
  renewed_by: string
  place: string
}

/** Tells a person that an owner of the place renewed the way in. */
export function renewedWayInPage(v: RenewedWayIn, m: Messages): Html {
  const time = moment(m, v.renewed_at)
  return continueFrame(
    {
      ...v,
      title: m('missing.renewed_title'),
      heading: html`<h1>${m('missing.renewed_title')}</h1>`,
      lead: sentence(m, 'missing.renewed', { by: v.renewed_by, time }),
      body: html`<p>${sentence(m, 'missing.renewed_note', { place: v.place })}</p>`,
      submit: html`<button class="primary" type="submit" name="action" value="accept">${m('missing.renewed_seen')}</button>`,
      out: m('missing.sign_out'),
    },
    m,
  )
}

/** The frame of such a page. `submit`: null where the body has forms of its own. */
export function continueFrame(
  v: ContinueValues & {
    title: string
    heading: Html
    lead: string | Html
    body: Html
    fields?: Html
    submit: Html | null
    out: string
  },
  m: Messages,
): Html {
  const form =
    v.submit === null
      ? html``
      : html`<form method="post" action="/continue">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
${v.fields ?? html``}
<div class="actions">${v.submit}</div>
</form>`
  const body = html`${v.heading}
<p class="lead">${v.lead}</p>
${person({ label: m('account.signed_in_as'), email: v.email })}
${alert(v.error)}
${v.body}
${form}
<form method="post" action="/logout">
${csrfField(v.csrf)}
<div class="actions below"><button type="submit" name="action" value="logout">${v.out}</button></div>
</form>
<ul class="plain after">
<li><a href="/account/export">${m('account.see_data')}</a></li>
<li><a href="/account/close">${m('account.close')}</a></li>
</ul>`
  return shell({ title: v.title, body }, m)
}
