// Pages of a person about passkeys and second factors: the list, a passkey or an authenticator app
// that is being added, and the recovery codes that were just made.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { passkeyForm } from '../passkey_form.ts'
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

export type SecurityValues = {
  email: string
  csrf: string
  factors: readonly {
    id: string
    kind: 'totp' | 'passkey'
    name: string
    /** Of a passkey: 1 where its provider may keep it on several devices. */
    is_synced: number | null
    /** Epoch seconds. */
    created_at: number
    last_used_at: number | null
  }[]
  codes_left: number
  error?: string
}

type Factor = SecurityValues['factors'][number]

export function securityPage(v: SecurityValues, m: Messages): Html {
  const form = (fields: Readonly<Record<string, string>>, button: Html) =>
    html`<form method="post" action="/account/security">
${csrfField(v.csrf)}
${hiddenFields(fields)}
${button}
</form>`
  const rename = (id: string, name: string) =>
    html`<details class="rename">
<summary aria-label="${m('security.rename')}: ${name}">${m('security.rename')}</summary>
${form(
  { factor: id },
  html`<label for="name-${id}">${m('security.new_name')}</label>
<input id="name-${id}" name="name" type="text" value="${name}" maxlength="60" autocomplete="off" required>
<div class="actions"><button class="small" type="submit" name="action" value="rename">${m('security.save_name')}</button></div>`,
)}
</details>`
  const entry = ({ id, kind, name, created_at, last_used_at, is_synced }: Factor) => html`<li>
<div class="entry">
<span class="entry-name" dir="auto">${name}</span>${is_synced === 1 ? html`<span class="badge">${m('security.synced')}</span>` : html``}
<span class="quiet">${sentence(m, 'security.since', { time: moment(m, created_at) })}</span>
${last_used_at === null ? html`` : html`<span class="quiet">${sentence(m, 'security.last_used', { time: moment(m, last_used_at) })}</span>`}
${kind === 'passkey' ? rename(id, name) : html``}
</div>
${form({ factor: id }, html`<button class="small" aria-label="${m('security.remove')}: ${name}" type="submit" name="action" value="remove">${m('security.remove')}</button>`)}
</li>`
  const listOfKind = (kind: Factor['kind'], none: string) => {
    const found = v.factors.filter((one) => one.kind === kind)
    return found.length === 0
      ? html`<p class="beside">${none}</p>`
      : html`<ul class="entries">${found.map(entry)}</ul>`
  }
  const codes =
    v.factors.length === 0
      ? html``
      : html`<h2>${m('security.codes')}</h2>
<p class="beside">${sentence(m, 'security.codes_left', { count: v.codes_left })}</p>
${form({}, html`<div class="actions"><button type="submit" name="action" value="codes">${m('security.make_codes')}</button></div>`)}`
  const body = html`<h1>${m('security.title')}</h1>
<p class="lead">${m('security.lead')}</p>
${alert(v.error)}
${person({ label: m('account.signed_in_as'), email: v.email })}
<h2>${m('security.passkeys')}</h2>
${listOfKind('passkey', m('security.no_passkeys'))}
<div class="actions"><a class="button" href="/account/security/passkey">${m('security.add_passkey')}</a></div>
<h2>${m('security.apps')}</h2>
${listOfKind('totp', m('security.none'))}
<div class="actions"><a class="button" href="/account/security/add">${m('security.add')}</a></div>
${codes}
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('security.title'), body }, m)
}

export type NewPasskeyValues = {
  csrf: string
  /** The question for a new passkey; null where there can be none. */
  passkey: { user: { id: string } } | null
  error?: string
}

export function newPasskeyPage(v: NewPasskeyValues, m: Messages): Html {
  const form =
    v.passkey === null
      ? html`<p class="alert">${m('passkey.wrong_host')}</p>`
      : html`${passkeyForm(
          {
            action: '/account/security/passkey',
            csrf: v.csrf,
            carried: { user_handle: v.passkey.user.id },
            publicKey: v.passkey,
            isNew: true,
            button: m('passkey.create'),
            isPrimary: true,
          },
          m,
        )}
<noscript><p class="alert">${m('passkey.no_script')}</p></noscript>`
  const body = html`<h1>${m('security.add_passkey')}</h1>
<p class="lead">${m('security.passkey_lead')}</p>
${alert(v.error)}
${form}
<div class="actions"><a class="button" href="/account/security">${m('security.cancel')}</a></div>`
  return shell({ title: m('security.add_passkey'), body }, m)
}

export type NewAppValues = {
  csrf: string
  /** The key, sealed, so that nothing is stored before it is proven. */
  setup: string
  key: string
  qr: { size: number; path: string }
  name: string
  error?: string
}

/** The key of an app: as an image, and to be typed. */
export const appKey = ({ qr, key }: Pick<NewAppValues, 'qr' | 'key'>, m: Messages): Html =>
  html`<svg class="qr" viewBox="0 0 ${qr.size} ${qr.size}" role="img" aria-label="${m('security.image')}" shape-rendering="crispEdges">
<rect width="${qr.size}" height="${qr.size}" fill="#fff"></rect>
<path d="${qr.path}" fill="#000"></path>
</svg>
<p class="quiet">${m('security.key')}</p>
<p class="key" dir="ltr">${key}</p>`

export function newAppPage(v: NewAppValues, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m('security.add')}</h1>
<p class="lead">${m('security.add_lead')}</p>
${alert(v.error)}
${appKey(v, m)}
<form method="post" action="/account/security/add">
${csrfField(v.csrf)}
${hiddenFields({ setup: v.setup })}
<label for="name">${m('security.name')}</label>
<input id="name" name="name" type="text" value="${v.name}" maxlength="60" autocomplete="off" aria-describedby="name-hint">
<p class="hint" id="name-hint">${m('security.name_hint')}</p>
<label for="code">${m('security.code')}</label>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="add">${m('security.save')}</button>
<a class="button" href="/account/security">${m('security.cancel')}</a>
</div>
</form>`
  return shell({ title: m('security.add'), body }, m)
}

/** `onward`: the path to which the person goes on. */
export function recoveryCodesPage(
  v: { codes: readonly string[]; onward: string },
  m: Messages,
): Html {
  const body = html`<h1>${m('security.codes_title')}</h1>
<p class="lead">${m('security.codes_lead')}</p>
<ul class="codes" dir="ltr">${v.codes.map((code) => html`<li class="key">${code}</li>`)}</ul>
<div class="actions"><a class="button" href="${v.onward}">${m('security.codes_kept')}</a></div>`
  return shell({ title: m('security.codes_title'), body }, m)
}
