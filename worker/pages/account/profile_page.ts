// The page on which a person edits the own profile, and the inputs of its fields, which the page of
// whatever is missing (../consents/continue_page.ts) has too.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import type { PROFILE_FIELDS } from '../../settings.ts'
import { alert, csrfField, type Html, person, shell } from '../shell.ts'

/** Names of fields that can be asked, as the texts have them. */
export type AskedField = (typeof PROFILE_FIELDS)[number]

export type ProfileField = {
  name: AskedField
  value: string
  isFaulty: boolean
  isRequired: boolean
}

const INPUTS: Record<AskedField, { type: string; autocomplete: string }> = {
  name: { type: 'text', autocomplete: 'name' },
  given_name: { type: 'text', autocomplete: 'given-name' },
  family_name: { type: 'text', autocomplete: 'family-name' },
  middle_name: { type: 'text', autocomplete: 'additional-name' },
  nickname: { type: 'text', autocomplete: 'nickname' },
  gender: { type: 'text', autocomplete: 'sex' },
  birthdate: { type: 'date', autocomplete: 'bday' },
  phone_number: { type: 'tel', autocomplete: 'tel' },
}

/** An input for each field, with its label; the first faulty one, else that of `focus`, has it. */
export function profileInputs(
  fields: readonly ProfileField[],
  m: Messages,
  focus?: AskedField,
): Html {
  const focused = fields.find(({ isFaulty }) => isFaulty)?.name ?? focus
  const inputs = fields.map(({ name, value, isFaulty, isRequired }) => {
    const { type, autocomplete } = INPUTS[name]
    const hint =
      name === 'phone_number'
        ? html`<p class="hint" id="${name}-hint">${m('missing.phone_hint')}</p>`
        : html``
    const about = [name === 'phone_number' ? `${name}-hint` : '', isFaulty ? 'alert' : '']
      .filter((one) => one !== '')
      .join(' ')
    return html`<label for="${name}">${m(`field.${name}`)}</label>
<input id="${name}" name="${name}" type="${type}" value="${value}" autocomplete="${autocomplete}" maxlength="200"${isRequired ? html` required` : html``}${isFaulty ? html` aria-invalid="true"` : html``}${about === '' ? html`` : html` aria-describedby="${about}"`}${name === focused ? html` autofocus` : html``}>
${hint}`
  })
  return html`${inputs}`
}

export type ProfileValues = {
  email: string
  csrf: string
  fields: readonly ProfileField[]
  saved?: string
  error?: string
}

export function profilePage(v: ProfileValues, m: Messages): Html {
  const form = html`<form method="post" action="/account/profile">
${csrfField(v.csrf)}
${profileInputs(v.fields, m)}
<div class="actions"><button class="primary" type="submit" name="action" value="save">${m('profile.save')}</button></div>
</form>`
  const body = html`<h1>${m('profile.title')}</h1>
${person({ label: m('account.signed_in_as'), email: v.email })}
${alert(v.error)}
${v.saved === undefined ? html`` : html`<p class="lead" role="status">${v.saved}</p>`}
${v.fields.length === 0 ? html`<p>${m('profile.none')}</p>` : form}
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('profile.title'), body }, m)
}
