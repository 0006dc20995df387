// Pages of the account of a person, one file each.
// This one has the first page: the ways to the others, and every browser in which the person is
// signed in, each with a button that signs it out.
// Owns no route and no table. Leaves the frame and the parts that pages share to ../shell.ts.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { csrfField, type Html, hiddenFields, moment, person, sentence, shell } from '../shell.ts'

export type AccountValues = {
  email: string
  name: string | null
  csrf: string
  /** Path of the page about applications. */
  applications: string
  /** Path of the page about consents. */
  consents: string
  /** Path of the page about second factors. */
  security: string
  /** Browsers that are not asked for the second factor for some days. */
  trusted: readonly { id: string; since: number; address: string; user_agent: string }[]
  /** Path of the page about the profile. */
  profile: string
  /** Sign-ins that failed since the visit before this one; null: none. */
  failed: { count: number; last_at: number } | null
  sessions: readonly {
    id: string
    /** True for the browser that shows this page. */
    is_this: boolean
    /** Epoch seconds. */
    since: number
    address: string
    user_agent: string
  }[]
}

export function accountPage(v: AccountValues, m: Messages): Html {
  const form = (fields: Readonly<Record<string, string>>, button: Html) =>
    html`<form method="post" action="/account/sessions">
${csrfField(v.csrf)}
${hiddenFields(fields)}
${button}
</form>`
  const sessions = v.sessions.map(({ id, is_this, since, address, user_agent }) => {
    const device = describeUserAgent(user_agent) ?? m('account.unknown_device')
    const time = moment(m, since)
    const times =
      address === ''
        ? sentence(m, 'account.since', { time })
        : sentence(m, 'account.since_from', { address, time })
    return html`<li>
<div class="entry">
<span class="entry-name" dir="auto">${device}</span>
${is_this ? html`<span class="badge">${m('account.this_browser')}</span>` : html``}
<span class="quiet">${times}</span>
</div>
${form({ session: id }, html`<button class="small" aria-label="${m('account.end_of', { browser: device })}" type="submit" name="action" value="end">${m('account.end')}</button>`)}
</li>`
  })
  const trusted = v.trusted.map(({ id, since, address, user_agent }) => {
    const browser = describeUserAgent(user_agent) ?? m('account.unknown_device')
    const time = moment(m, since)
    const times =
      address === ''
        ? sentence(m, 'account.since', { time })
        : sentence(m, 'account.since_from', { address, time })
    return html`<li>
<div class="entry">
<span class="entry-name" dir="auto">${browser}</span>
<span class="quiet">${times}</span>
</div>
${form({ browser: id }, html`<button class="small" aria-label="${m('account.forget_of', { browser })}" type="submit" name="action" value="forget">${m('account.forget')}</button>`)}
</li>`
  })
  const ofTrust =
    trusted.length === 0
      ? html``
      : html`<h2>${m('account.trusted')}</h2>
<p class="beside">${m('account.trusted_lead')}</p>
<ul class="entries">${trusted}</ul>`
  const failed =
    v.failed === null
      ? html``
      : html`<p class="beside">${sentence(m, 'account.failed', { count: v.failed.count, time: moment(m, v.failed.last_at) })}</p>`
  const everywhere = html`<div class="actions"><button class="danger" type="submit" name="action" value="everywhere">${m('account.everywhere')}</button></div>`
  const body = html`<h1>${m('account.title')}</h1>
${person({ label: m('account.signed_in_as'), email: v.email, name: v.name })}
${failed}
<form method="post" action="/logout">
${csrfField(v.csrf)}
<div class="actions">
<button type="submit" name="action" value="logout">${m('account.sign_out')}</button>
</div>
</form>
<h2>${m('account.profile')}</h2>
<p class="beside"><a href="${v.profile}">${m('account.see_profile')}</a></p>
<h2>${m('account.security')}</h2>
<ul class="plain beside">
<li><a href="/account/email">${m('account.change_email')}</a></li>
<li><a href="/account/names">${m('account.see_names')}</a></li>
<li><a href="/account/password">${m('account.change_password')}</a></li>
<li><a href="${v.security}">${m('account.see_security')}</a></li>
</ul>
<h2>${m('places.title')}</h2>
<p class="beside"><a href="/places">${m('places.see')}</a></p>
<h2>${m('account.applications')}</h2>
<p class="beside"><a href="${v.applications}">${m('account.see_applications')}</a></p>
<h2>${m('account.consents')}</h2>
<p class="beside"><a href="${v.consents}">${m('account.see_consents')}</a></p>
<h2>${m('account.data')}</h2>
<ul class="plain beside">
<li><a href="/account/export">${m('account.see_data')}</a></li>
<li><a href="/account/close">${m('account.close')}</a></li>
</ul>
<h2>${m('account.sessions')}</h2>
<ul class="entries">${sessions}</ul>
${form({}, everywhere)}
<p class="hint">${m('account.everywhere_hint')}</p>
${ofTrust}`
  return shell({ title: m('account.title'), body }, m)
}

// The more particular name comes first: nearly every browser also sends the names of its ancestors.
const BROWSERS: readonly [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Headless)?(?:Chrome|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
]
const SYSTEMS: readonly [RegExp, string][] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'Mac'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

/** `Firefox, Windows`; else the beginning of the text that the browser sent; null without one. */
export function describeUserAgent(user_agent: string): string | null {
  const nameIn = (names: readonly [RegExp, string][]) =>
    names.find(([pattern]) => pattern.test(user_agent))?.[1]
  const names = [nameIn(BROWSERS), nameIn(SYSTEMS)].filter((name) => name !== undefined)
  if (names.length > 0) return names.join(', ')
  const shown = user_agent.trim().slice(0, 60)
  return shown === '' ? null : shown
}
