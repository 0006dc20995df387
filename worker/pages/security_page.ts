// Pages of a person about passkeys and second factors: the list, a passkey or an authenticator app
// that is being added, and the recovery codes that were just made.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { passkeyForm } from './passkey_form.ts'
import { alert, csrfField, type Html, hiddenFields, moment, person, shell } from './shell.ts'

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

export function securityPage(v: SecurityValues, m: Messages = english): Html {
  const t = m.security
  const form = (fields: Readonly<Record<string, string>>, button: Html) =>
    html`<form method="post" action="/account/security">
${csrfField(v.csrf)}
${hiddenFields(fields)}
${button}
</form>`
  const rename = (id: string, name: string) =>
    html`<details class="rename">
<summary aria-label="${t.rename}: ${name}">${t.rename}</summary>
${form(
  { factor: id },
  html`<label for="name-${id}">${t.renameLabel}</label>
<input id="name-${id}" name="name" type="text" value="${name}" maxlength="60" autocomplete="off" required>
<div class="actions"><button class="small" type="submit" name="action" value="rename">${t.renameSave}</button></div>`,
)}
</details>`
  const entry = ({ id, kind, name, created_at, last_used_at, is_synced }: Factor) => html`<li>
<div class="entry">
<span class="entry-name" dir="auto">${name}</span>${is_synced === 1 ? html`<span class="badge">${t.synced}</span>` : html``}
<span class="quiet">${t.since} ${moment(created_at)}${last_used_at === null ? html`` : html`, ${t.lastUsed} ${moment(last_used_at)}`}</span>
${kind === 'passkey' ? rename(id, name) : html``}
</div>
${form({ factor: id }, html`<button class="small" aria-label="${t.remove}: ${name}" type="submit" name="action" value="remove">${t.remove}</button>`)}
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
      : html`<h2>${t.codes}</h2>
<p class="beside">${t.codesLeft(v.codes_left)} ${t.codesHint}</p>
${form({}, html`<div class="actions"><button type="submit" name="action" value="codes">${t.makeCodes}</button></div>`)}`
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.lead}</p>
${alert(v.error)}
${person({ label: t.signedInAs, email: v.email })}
<h2>${t.passkeys}</h2>
${listOfKind('passkey', t.noPasskeys)}
<div class="actions"><a class="button" href="/account/security/passkey">${t.addPasskey}</a></div>
<h2>${t.apps}</h2>
${listOfKind('totp', t.none)}
<div class="actions"><a class="button" href="/account/security/add">${t.add}</a></div>
${codes}
<p class="beside"><a href="/account">${t.back}</a></p>`
  return shell({ title: t.title, body }, m)
}

export type NewPasskeyValues = {
  csrf: string
  /** The question for a new passkey; null where there can be none. */
  passkey: { user: { id: string } } | null
  error?: string
}

export function newPasskeyPage(v: NewPasskeyValues, m: Messages = english): Html {
  const t = m.security
  const form =
    v.passkey === null
      ? html`<p class="alert">${m.passkey.wrongHost}</p>`
      : html`${passkeyForm(
          {
            action: '/account/security/passkey',
            csrf: v.csrf,
            carried: { user_handle: v.passkey.user.id },
            publicKey: v.passkey,
            isNew: true,
            button: m.passkey.create,
            isPrimary: true,
          },
          m,
        )}
<noscript><p class="alert">${m.passkey.noScript}</p></noscript>`
  const body = html`<h1>${t.passkeyTitle}</h1>
<p class="lead">${t.passkeyLead}</p>
${alert(v.error)}
${form}
<div class="actions"><a class="button" href="/account/security">${t.cancel}</a></div>`
  return shell({ title: t.passkeyTitle, body }, m)
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

export function newAppPage(v: NewAppValues, m: Messages = english): Html {
  const t = m.security
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const box = `0 0 ${v.qr.size} ${v.qr.size}`
  const body = html`<h1>${t.addTitle}</h1>
<p class="lead">${t.addLead}</p>
${alert(v.error)}
<svg class="qr" viewBox="${box}" role="img" aria-label="${t.image}" shape-rendering="crispEdges">
<rect width="${v.qr.size}" height="${v.qr.size}" fill="#fff"></rect>
<path d="${v.qr.path}" fill="#000"></path>
</svg>
<p class="quiet">${t.key}</p>
<p class="key" dir="ltr">${v.key}</p>
<form method="post" action="/account/security/add">
${csrfField(v.csrf)}
${hiddenFields({ setup: v.setup })}
<label for="name">${t.name}</label>
<input id="name" name="name" type="text" value="${v.name}" maxlength="60" autocomplete="off" aria-describedby="name-hint">
<p class="hint" id="name-hint">${t.nameHint}</p>
<label for="code">${t.code}</label>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="add">${t.save}</button>
<a class="button" href="/account/security">${t.cancel}</a>
</div>
</form>`
  return shell({ title: t.addTitle, body }, m)
}

export function recoveryCodesPage(v: { codes: readonly string[] }, m: Messages = english): Html {
  const t = m.security
  const body = html`<h1>${t.codesTitle}</h1>
<p class="lead">${t.codesLead}</p>
<ul class="codes" dir="ltr">${v.codes.map((code) => html`<li class="key">${code}</li>`)}</ul>
<div class="actions"><a class="button" href="/account/security">${t.done}</a></div>`
  return shell({ title: t.codesTitle, body }, m)
}
