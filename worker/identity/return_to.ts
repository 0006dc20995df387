// Target after signing in or out. This room does not know the caller: the target is opaque, and
// must be a path of our own origin in the reading of every browser.
import type { Context } from '../context.ts'
import { mac, verifyMac } from '../crypto.ts'
import { type Form, formOf } from '../http.ts'
import { issuerPath } from '../web/issuer_path.ts'

const MAX = 8192

/** The path and query of the target, or undefined for a text that could lead elsewhere. */
export function safeReturnTo(cx: Context, text: string | undefined): string | undefined {
  if (text === undefined || text.length > MAX) return undefined
  // Visible ASCII only: browsers drop tabs and line breaks, read `\` as `/`, and map other scripts'
  // slashes.
  if (!/^\/[\x21-\x5b\x5d-\x7e]*$/.test(text)) return undefined
  if (!URL.canParse(text, cx.config.issuer)) return undefined
  const url = new URL(text, cx.config.issuer)
  const issuer = new URL(cx.config.issuer)
  if (url.origin !== issuer.origin) return undefined
  // As the address bar shows it, the path of the issuer stands before it.
  const base = issuerPath(cx.config.issuer)
  const own = url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length) : url.pathname
  // `//host` is another origin. So is a text that a server or proxy decodes to it, before or after
  // `..`, and one that is it without the path of the issuer.
  for (const path of [text.split('?')[0] ?? '', url.pathname, own]) {
    if (/^(?:\/|%2f){2}|%5c/i.test(path)) return undefined
  }
  return own + url.search
}

/**
 * Reads `sender` with `sender_mac`: the application that sent the person to `return_to`, in the
 * word of the room that knows applications. Null where none is named; a value that was made up is
 * none.
 */
function readSender(
  cx: Context,
  form: Form,
  return_to: string | undefined,
): { sender: string | null; carried: Readonly<Record<string, string>> } {
  const sender = form.get('sender')
  const sender_mac = form.get('sender_mac') ?? ''
  if (sender === undefined || !verifyMac(cx, 'sender', `${sender} ${return_to}`, sender_mac)) {
    return { sender: null, carried: {} }
  }
  return { sender, carried: { sender, sender_mac } }
}

/**
 * Reads `factor_mac`: the sender of the person demands a second factor. The door at `return_to`
 * looks itself whether there is one; a value that was made up asks nobody for anything.
 */
export function readFactorDemand(
  cx: Context,
  form: Form,
  return_to: string | undefined,
): { demandsFactor: boolean; carried: Readonly<Record<string, string>> } {
  const factor_mac = form.get('factor_mac') ?? ''
  return verifyMac(cx, 'factor demand', return_to ?? '', factor_mac)
    ? { demandsFactor: true, carried: { factor_mac } }
    : { demandsFactor: false, carried: {} }
}

/** The parameters that say which application sent the person to `return_to`. */
export const senderParameters = (
  cx: Context,
  return_to: string,
  sender: string,
): Readonly<Record<string, string>> => ({
  sender,
  sender_mac: mac(cx, 'sender', `${sender} ${return_to}`),
})

/** The parameters that say for how many days a browser is trusted at the sign-in to `return_to`. */
export const trustParameters = (
  cx: Context,
  return_to: string,
  days: number,
): Readonly<Record<string, string>> => ({
  trust_days: String(days),
  trust_mac: mac(cx, 'trust days', `${days} ${return_to}`),
})

function readTrust(
  cx: Context,
  form: Form,
  return_to: string,
): { trust_days: number | null; carried: Readonly<Record<string, string>> } {
  const trust_days = form.get('trust_days') ?? ''
  const trust_mac = form.get('trust_mac') ?? ''
  if (!verifyMac(cx, 'trust days', `${trust_days} ${return_to}`, trust_mac)) {
    return { trust_days: null, carried: {} }
  }
  return { trust_days: Number(trust_days), carried: { trust_days, trust_mac } }
}

export type Journey = {
  return_to: string | undefined
  /** Origins to which the redirects after the form may lead, for its CSP. */
  form_targets: readonly string[]
  /** Days for which a browser is trusted, in the word of the sender; null: it says nothing. */
  trust_days: number | null
  /** The application that sent the person; null where none is named. */
  sender: string | null
  /** Locales that the pages may be in, most wanted first. */
  ui_locales: readonly string[]
  /** Fields for the next form, which carry the same values on. */
  carried: Readonly<Record<string, string>>
}

/** A path of this server with the fields that carry the journey on. */
export function withJourney(
  path: string,
  { carried }: Pick<Journey, 'carried'>,
  more: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({ ...carried, ...more }).toString()
  return query === '' ? path : `${path}?${query}`
}

/**
 * Reads `return_to`, its sender, and `form_target` with its `form_target_mac`: the origin of an
 * application at which the redirects end that begin at `return_to`. Only the sender of the person
 * can make the MAC.
 */
export function readJourney(cx: Context, form: Form): Journey {
  const return_to = safeReturnTo(cx, form.get('return_to'))
  const wished = form.get('ui_locales')?.slice(0, 1000)
  const ui_locales = (wished ?? '').split(' ').filter((one) => one !== '')
  const carried: Record<string, string> = wished === undefined ? {} : { ui_locales: wished }
  if (return_to === undefined) {
    return { return_to, form_targets: [], trust_days: null, sender: null, ui_locales, carried }
  }
  const { trust_days, carried: ofTrust } = readTrust(cx, form, return_to)
  const { sender, carried: ofSender } = readSender(cx, form, return_to)
  const kept = { ...carried, return_to, ...ofTrust, ...ofSender }
  const form_target = form.get('form_target')
  const form_target_mac = form.get('form_target_mac') ?? ''
  if (form_target === undefined || !verifyMac(cx, 'form target', form_target, form_target_mac)) {
    return { return_to, form_targets: [], trust_days, sender, ui_locales, carried: kept }
  }
  return {
    return_to,
    form_targets: [form_target],
    trust_days,
    sender,
    ui_locales,
    carried: { ...kept, form_target, form_target_mac },
  }
}

/** The journey of fields that were kept, which are read as strictly as those that come in. */
export const readKeptJourney = (cx: Context, kept: Readonly<Record<string, string>>): Journey =>
  readJourney(cx, formOf(new Map(Object.entries(kept).map(([name, value]) => [name, [value]]))))
