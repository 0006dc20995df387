// Pages of places: all places of a person, one place as its owner sees it, and a link that is shown
// once. Every change is a form of its own.
import { html } from 'hono/html'
import type { PlainKey } from '../../messages/catalogues.ts'
import type { Messages } from '../../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, moment, sentence, shell } from '../shell.ts'
import { type EndedNumbers, endingsInWords } from './transfer_page.ts'

export type OwnPlace = {
  id: string
  name: string
  /** Roles, and whether the person is a member. */
  parts: readonly { text: string | null; expires_at: number | null }[]
}

export type PlacesValues = {
  owned: readonly { id: string; name: string }[]
  others: readonly OwnPlace[]
  csrf: string
  error?: string
}

export const PLACES_PATH = '/places'

const pathOf = (id: string): string => `${PLACES_PATH}/${id}`

/** The lists of a place, as its address names their cursors. */
type PlaceList = 'people' | 'others' | 'invitations' | 'devices' | 'rooms'

type Cursors = Partial<Record<PlaceList, string>>

/** The address of a place whose lists begin at these cursors. */
export function placeAddress(id: string, cursors: Cursors): string {
  const query = new URLSearchParams(Object.entries(cursors).sort()).toString()
  return query === '' ? pathOf(id) : `${pathOf(id)}?${query}`
}

const until = (expires_at: number | null, m: Messages): Html =>
  expires_at === null
    ? html``
    : html`<span class="quiet">${sentence(m, 'places.until', { time: moment(m, expires_at) })}</span>`

export function placesPage(v: PlacesValues, m: Messages): Html {
  const other = ({ id, name, parts }: OwnPlace) => html`<li class="stacked">
<div class="entry"><span class="entry-name" dir="auto">${name}</span>
${parts.map(({ text, expires_at }) => html`<span class="quiet"><bdi>${text ?? m('places.member')}</bdi></span>${until(expires_at, m)}`)}
</div>
<form method="post" action="${PLACES_PATH}">
${csrfField(v.csrf)}
${hiddenFields({ id })}
<button class="small" aria-label="${m('places.leave')}: ${name}" type="submit" name="action" value="leave">${m('places.leave')}</button>
</form></li>`
  const isEmpty = v.owned.length + v.others.length === 0
  const body = html`<h1>${m('places.title')}</h1>
${alert(v.error)}
${isEmpty ? html`<p>${m('places.none')}</p>` : html``}
${
  v.owned.length === 0
    ? html``
    : html`<h2>${m('places.owned')}</h2>
<ul class="entries">${v.owned.map(({ id, name }) => html`<li><a href="${pathOf(id)}"><bdi>${name}</bdi></a></li>`)}</ul>`
}
${v.others.length === 0 ? html`` : html`<h2>${m('places.others')}</h2><ul class="entries">${v.others.map(other)}</ul>`}
<p class="beside after"><a href="/claim">${m('claim.title')}</a></p>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('places.title'), body }, m)
}

export type PlaceValues = {
  id: string
  name: string
  rooms: readonly { id: string; name: string }[]
  people: readonly {
    id: string
    label: string
    name: string | null
    isSelf: boolean
    memberships: readonly { group: string; expires_at: number | null }[]
    roles: readonly PlaceRole[]
    canRenew: boolean
  }[]
  /** Groups, clients and people from outside that hold a role here. */
  others: readonly (PlaceRole & { subject: string })[]
  devices: readonly {
    id: string
    name: string
    type: string
    status: 'unclaimed' | 'active' | 'suspended' | 'retired'
    last_seen_at: number | null
  }[]
  invitations: readonly { id: string; address: string; expires_at: number }[]
  roles: readonly { name: string; text: string }[]
  transfer: { address: string; expires_at: number } | null
  /** Where the lists on this page begin, and where they go on; null: at the end. */
  cursors: Cursors
  next: Readonly<Record<PlaceList, string | null>>
  may: { invite: boolean; change: boolean }
  csrf: string
  error?: string
}

type PlaceRole = { grant: string; text: string; object: string | null; expires_at: number | null }

export function placePage(v: PlaceValues, m: Messages): Html {
  const here = placeAddress(v.id, v.cursors)
  // Each list has its own way on; the others stay where they are.
  const way = (list: PlaceList, title: string) => {
    const { [list]: begins, ...rest } = v.cursors
    const next = v.next[list]
    const link = (cursors: Cursors, text: string) =>
      html`<a href="${placeAddress(v.id, cursors)}#${list}" aria-label="${text}: ${title}">${text}</a>`
    return begins === undefined && next === null
      ? html``
      : html`<p class="beside after">${begins === undefined ? html`` : link(rest, m('places.first'))}
${next === null ? html`` : link({ ...rest, [list]: next }, m('places.more'))}</p>`
  }
  const isShown = (list: PlaceList) => v[list].length > 0 || v.cursors[list] !== undefined
  const section = (list: PlaceList, title: string, entries: Html) =>
    html`<h2 id="${list}">${title}</h2>
${v[list].length === 0 ? html`` : html`<ul class="entries">${entries}</ul>`}
${way(list, title)}`
  const form = (content: Html, button: Html) =>
    html`<form method="post" action="${here}">
${csrfField(v.csrf)}
${content}
<div class="actions">${button}</div>
</form>`
  const submit = (action: string, text: string, look = 'primary') =>
    html`<button class="${look}" type="submit" name="action" value="${action}">${text}</button>`
  const small = (action: string, id: string, text: string, about: string) =>
    html`<form method="post" action="${here}">
${csrfField(v.csrf)}
${hiddenFields({ id })}
<button class="small" aria-label="${text}: ${about}" type="submit" name="action" value="${action}">${text}</button>
</form>`
  const role = ({ grant, text, object, expires_at }: PlaceRole, about: string, mayEnd = true) =>
    html`<div class="entry"><bdi>${text}</bdi>${object === null ? html`` : html` <span class="quiet"><bdi>${object}</bdi></span>`}${until(expires_at, m)}
${v.may.change && mayEnd ? small('end', grant, m('places.end_role'), `${about}, ${text}`) : html``}</div>`
  const choice = (id: string) => html`<label for="${id}-role">${m('places.role')}</label>
<select id="${id}-role" name="role" autocomplete="off">${v.roles.map(({ name, text }) => html`<option value="${name}">${text}</option>`)}</select>
<label for="${id}-until">${m('places.until_field')}</label>
<input id="${id}-until" name="until" type="date" autocomplete="off" aria-describedby="${id}-hint">
<p class="hint" id="${id}-hint">${m('places.until_hint')}</p>`
  const people = section(
    'people',
    m('places.people'),
    html`${v.people.map(
      (one) => html`<li class="stacked">
<div class="entry"><span class="entry-name" dir="auto">${one.name ?? one.label}</span>
${one.name === null ? html`` : html`<span class="quiet" dir="auto">${one.label}</span>`}
${one.memberships.map(({ group, expires_at }) => html`<span class="quiet">${sentence(m, 'places.member_of', { group })}</span>${until(expires_at, m)}`)}
</div>
${one.roles.map((held) => role(held, one.label, !one.isSelf))}
${one.isSelf || !v.may.change ? html`` : html`<div class="choices">${small('remove', one.id, m('places.remove'), one.label)}${one.canRenew ? small('renew', one.id, m('places.renew'), one.label) : html``}</div>`}
</li>`,
    )}`,
  )
  const others = !isShown('others')
    ? html``
    : section(
        'others',
        m('places.outside'),
        html`${v.others.map((one) => html`<li class="stacked"><div class="entry"><span class="entry-name" dir="auto">${one.subject}</span></div>${role(one, one.subject)}</li>`)}`,
      )
  const invitations = !isShown('invitations')
    ? html``
    : section(
        'invitations',
        m('places.invitations'),
        html`${v.invitations.map(
          ({
            id,
            address,
            expires_at,
          }) => html`<li class="stacked"><div class="entry"><span class="entry-name" dir="auto">${address}</span>${until(expires_at, m)}</div>
${small('withdraw', id, m('places.withdraw'), address)}</li>`,
        )}`,
      )
  const invite =
    !v.may.invite || v.roles.length === 0
      ? html``
      : html`<h2>${m('places.invite')}</h2>
${form(
  html`<label for="address">${m('places.address')}</label>
<input id="address" name="address" type="text" inputmode="email" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="254" required>
${choice('invite')}`,
  submit('invite', m('places.invite_button')),
)}
<h2>${m('places.add_account')}</h2>
<p class="quiet">${m('places.add_account_lead')}</p>
${form(
  html`<label for="account-name">${m('places.name')}</label>
<input id="account-name" name="name" type="text" autocomplete="off" maxlength="200" required>
<label for="user_name">${m('places.user_name')}</label>
<input id="user_name" name="user_name" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="50" required>
${choice('account')}`,
  submit('account', m('places.add_account_button')),
)}`
  const devices = !isShown('devices')
    ? html``
    : section(
        'devices',
        m('places.devices'),
        html`${v.devices.map(
          ({
            name,
            type,
            status,
            last_seen_at,
          }) => html`<li><div class="entry"><span class="entry-name" dir="auto">${name}</span>
<span class="quiet"><bdi>${type}</bdi></span>
<span class="quiet">${m(`places.device_${status}`)}</span>
<span class="quiet">${last_seen_at === null ? m('places.never_seen') : sentence(m, 'places.seen', { time: moment(m, last_seen_at) })}</span></div></li>`,
        )}`,
      )
  const rename = (id: string, name: string) =>
    html`<details class="rename"><summary>${m('places.rename')}</summary>
${form(
  html`${hiddenFields({ id })}<label for="name-${id}">${m('places.new_name')}</label>
<input id="name-${id}" name="name" type="text" value="${name}" autocomplete="off" maxlength="200" required>`,
  submit('rename', m('places.rename_button'), ''),
)}</details>`
  const rooms = html`${section(
    'rooms',
    m('places.rooms'),
    html`${v.rooms.map(({ id, name }) => html`<li class="stacked"><span class="entry-name" dir="auto">${name}</span>${v.may.change ? rename(id, name) : html``}</li>`)}`,
  )}
${
  v.may.change
    ? form(
        html`<label for="room">${m('places.new_room')}</label>
<input id="room" name="name" type="text" autocomplete="off" maxlength="200" required>`,
        submit('room', m('places.add_room'), ''),
      )
    : html``
}`
  const transfer = !v.may.change
    ? html``
    : html`<h2>${m('places.transfer')}</h2>
${
  v.transfer === null
    ? html`<p class="quiet">${m('places.transfer_lead')}</p>
${form(
  html`<label for="to">${m('places.new_owner')}</label>
<input id="to" name="to" type="text" inputmode="email" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="254" required>`,
  submit('ask', m('places.transfer_look'), ''),
)}`
    : html`<p>${sentence(m, 'places.offered', { address: v.transfer.address, time: moment(m, v.transfer.expires_at) })}</p>
${form(html``, submit('keep', m('places.withdraw_offer'), ''))}`
}`
  const body = html`<h1 dir="auto">${v.name}</h1>
${v.may.change ? rename(v.id, v.name) : html``}
${alert(v.error)}
${people}
${others}
${invitations}
${invite}
${devices}
${rooms}
${transfer}
<p class="beside after"><a href="${PLACES_PATH}">${m('places.back')}</a></p>`
  return shell({ title: v.name, body }, m)
}

/** The question before a removal: it says what ends. */
export function endPage(
  v: {
    action: 'end' | 'remove'
    id: string
    endings: {
      label: string
      grants: readonly { text: string; object: string; expires_at: number | null }[]
      memberships: readonly { group: string; expires_at: number | null }[]
      ofGroups: boolean
      isPlaceAccount: boolean
    }
    /** Stands for what is shown. */
    seen: string
    /** The page of the place. */
    here: string
    csrf: string
  },
  m: Messages,
): Html {
  const { label, grants, memberships, ofGroups, isPlaceAccount } = v.endings
  const [title, button] =
    v.action === 'end'
      ? [m('places.end_title'), m('places.end_button')]
      : [m('places.remove'), m('places.remove_button')]
  const lines = [
    ...grants.map(
      ({ text, object, expires_at }) =>
        html`<li><bdi>${text}</bdi> <span class="quiet"><bdi>${object}</bdi></span> ${until(expires_at, m)}</li>`,
    ),
    ...memberships.map(
      ({ group, expires_at }) =>
        html`<li>${m('places.member')} <span class="quiet">${sentence(m, 'places.member_of', { group })}</span> ${until(expires_at, m)}</li>`,
    ),
  ]
  const body = html`<h1>${title}</h1>
<p class="lead">${sentence(m, 'places.ends_of', { person: label })}</p>
<ul>${lines}</ul>
${ofGroups ? html`<p>${m('places.ends_of_groups')}</p>` : html``}
<p>${m('places.ends_everywhere')}</p>
${isPlaceAccount ? html`<p>${m('places.account_stays')}</p>` : html``}
<form method="post" action="${v.here}">
${csrfField(v.csrf)}
${hiddenFields({ id: v.id, seen: v.seen })}
<div class="actions"><button class="danger" type="submit" name="action" value="${v.action}">${button}</button></div>
</form>
<p class="beside after"><a href="${v.here}">${m('places.back_to_place')}</a></p>`
  return shell({ title, body }, m)
}

/** The link to a password, which is shown once. */
export function wayInPage(
  v: { id: string; user_name: string; url: string; expires_at: number },
  m: Messages,
): Html {
  const body = html`<h1>${m('places.way_in_title')}</h1>
<p class="lead">${m('places.way_in_lead')}</p>
<dl class="facts"><dt>${m('places.user_name')}</dt><dd><code>${v.user_name}</code></dd>
<dt>${m('places.link')}</dt><dd><code>${v.url}</code></dd>
<dt>${m('places.good_until')}</dt><dd>${moment(m, v.expires_at)}</dd></dl>
<p class="beside after"><a href="${pathOf(v.id)}">${m('places.back_to_place')}</a></p>`
  return shell({ title: m('places.way_in_title'), body }, m)
}

/** The question before a place is offered: it says in numbers what ends. */
export function offerPlacePage(
  v: { id: string; name: string; to: string; numbers: EndedNumbers; csrf: string },
  m: Messages,
): Html {
  const body = html`<h1>${m('places.transfer')}</h1>
<p class="lead">${sentence(m, 'places.offer_lead', { place: v.name, address: v.to })}</p>
${endingsInWords(v.numbers, m)}
<form method="post" action="${pathOf(v.id)}">
${csrfField(v.csrf)}
${hiddenFields({ to: v.to })}
<div class="actions"><button class="danger" type="submit" name="action" value="offer">${m('places.offer_button')}</button></div>
</form>
<p class="beside after"><a href="${pathOf(v.id)}">${m('places.back_to_place')}</a></p>`
  return shell({ title: m('places.transfer'), body }, m)
}

/** Says why a change was refused. */
export const REFUSED_TEXTS = {
  forbidden: 'places.forbidden',
  conflict: 'places.conflict',
  invalid_request: 'places.invalid',
  not_found: 'places.gone',
} as const satisfies Readonly<Record<string, PlainKey>>
