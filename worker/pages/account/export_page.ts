// Pages about a copy of a person's data: the buttons, and the copy itself, which is written part by
// part since it may be long.
import { html, raw } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { csrfField, type Html, moment, person, sentence, shell } from '../shell.ts'

export type ExportSectionName =
  | 'account'
  | 'login_ids'
  | 'sessions'
  | 'known_browsers'
  | 'trusted_browsers'
  | 'failed_sign_ins'
  | 'factors'
  | 'recovery_codes'
  | 'links'
  | 'consents'
  | 'applications'
  | 'allowed'
  | 'device_codes'
  | 'groups'
  | 'grants'
  | 'devices'
  | 'events'
  | 'mails'
  | 'invitations'
  | 'place_accounts'
  | 'transfers'

/** Names of members of a part, as the texts have them. */
export const EXPORT_FIELDS = [
  'id',
  'email',
  'email_verified',
  'user_name',
  'last_sign_in_at',
  'name',
  'locale',
  'status',
  'closes_at',
  'must_change_password',
  'has_password',
  'undeliverable',
  'metadata',
  'profile',
  'created_at',
  'updated_at',
  'last_seen_at',
  'expires_at',
  'auth_time',
  'amr',
  'address',
  'user_agent',
  'kind',
  'last_used_at',
  'is_synced',
  'used_at',
  'purpose',
  'key',
  'version',
  'decision',
  'decided_at',
  'guardian',
  'client_id',
  'client_name',
  'scope',
  'resource',
  'authorization_details',
  'acr',
  'revoked_at',
  'offline',
  'role',
  'object_id',
  'condition',
  'not_before',
  'group_id',
  'type',
  'outcome',
  'actor_kind',
  'data',
  'before',
  'after',
  'at',
  'state',
  'settled_at',
  'mqtt_client_id',
  'grants',
  'groups',
  'accepted_at',
  'has_factor',
  'last_at',
  'value',
  'verified_at',
  'is_primary',
  'count',
] as const

type Field = (typeof EXPORT_FIELDS)[number]
const isField = (name: string): name is Field => EXPORT_FIELDS.some((one) => one === name)

export function exportPage(
  v: { email: string; name: string | null; csrf: string },
  m: Messages,
): Html {
  const body = html`<h1>${m('export.title')}</h1>
<p class="lead">${m('export.lead')}</p>
${person({ label: m('account.signed_in_as'), email: v.email, name: v.name })}
<p>${m('export.secrets')}</p>
<form method="post" action="/account/export">
${csrfField(v.csrf)}
<div class="actions">
<button class="primary" type="submit" name="action" value="view">${m('export.view')}</button>
<button type="submit" name="action" value="html">${m('export.html')}</button>
<button type="submit" name="action" value="json">${m('export.json')}</button>
</div>
</form>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('export.title'), body }, m)
}

export type ExportPiece = {
  name: ExportSectionName
  rows: readonly Record<string, unknown>[]
  /** It opens its part, and closes it. */
  isFirst: boolean
  isLast: boolean
}

const BETWEEN = '<!-- parts -->'

/**
 * The copy as a page: its start, each piece of a part, and its end. `base` is the path of the
 * issuer, since the text is sent as it stands.
 */
export async function exportDocument(
  v: { email: string; name: string | null; service: string; made_at: number; base: string },
  m: Messages,
): Promise<{ start: string; part(piece: ExportPiece): string; end: string }> {
  const made = sentence(m, 'export.made', { service: v.service, time: moment(m, v.made_at) })
  const body = html`<h1>${m('export.title')}</h1>
<p class="lead">${made}</p>
${person({ label: m('address.account'), email: v.email, name: v.name })}
${raw(BETWEEN)}`
  // The text of others is escaped, so the mark stands once.
  const whole = String(await shell({ title: m('export.title'), body }, m)).replaceAll(
    / (href|src)="\/(?!\/)/g,
    ` $1="${v.base}/`,
  )
  const at = whole.indexOf(BETWEEN)
  return {
    start: whole.slice(0, at),
    part: (piece) => String(partOf(piece, m)),
    end: whole.slice(at + BETWEEN.length),
  }
}

function partOf({ name, rows, isFirst, isLast }: ExportPiece, m: Messages): string {
  const heading = isFirst ? String(html`<h2>${m(`export.section_${name}`)}</h2>\n`) : ''
  if (isFirst && isLast && rows.length === 0) {
    return `${heading}${String(html`<p class="quiet">${m('export.none')}</p>`)}\n`
  }
  const items = rows.map((row) => String(rowOf(row, m))).join('')
  const open = isFirst ? '<ul class="entries">\n' : ''
  return `${heading}${open}${items}${isLast ? '</ul>\n' : ''}`
}

const rowOf = (row: Record<string, unknown>, m: Messages): Html => {
  const facts = Object.entries(row)
    .filter(([, value]) => value !== null && value !== '')
    .map(
      ([name, value]) => html`<dt>${isField(name) ? m(`export.field_${name}`) : name}</dt>
<dd><bdi>${shownValue(name, value, m)}</bdi></dd>
`,
    )
  return html`<li class="stacked"><dl class="facts">
${facts}</dl></li>
`
}

/** Members that are times, in epoch seconds. */
const isTime = (name: string): boolean =>
  name.endsWith('_at') || ['at', 'auth_time', 'not_before'].includes(name)

function shownValue(name: string, value: unknown, m: Messages): Html | string {
  if (typeof value === 'boolean') return m(value ? 'export.yes' : 'export.no')
  if (typeof value === 'number') return isTime(name) ? moment(m, value) : String(value)
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join(', ')
  return JSON.stringify(value)
}
