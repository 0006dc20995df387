// The words of each kind of mail: which texts stand in it, with which values. mail_text.ts puts
// them together; the texts themselves are in messages/.
import type { MailKind, MailValues } from '../../mail/mail_kinds.ts'
import type { Messages } from '../../messages/messages.ts'

export type MailWords = {
  subject: string
  heading: string
  /** Paragraphs before the link or the code. */
  lead: readonly string[]
  /** On the button, where the mail has a link. */
  button?: string
  /** Advice for a person who did not expect the mail. */
  note: string
}

type Service = { service: string }

/** The words of a kind. The values are one line each. */
type Writer<kind extends MailKind> = (m: Messages, v: MailValues<kind> & Service) => MailWords

const WRITERS: { readonly [kind in MailKind]: Writer<kind> } = {
  recovery: (m, { service }) => ({
    subject: m('mail_recovery.subject', { service }),
    heading: m('mail_recovery.heading'),
    lead: [m('mail_recovery.lead', { service })],
    button: m('mail_recovery.button'),
    note: m('mail_recovery.note'),
  }),
  verify_address: (m, { service }) => ({
    subject: m('mail_verify_address.subject', { service }),
    heading: m('mail_verify_address.heading'),
    lead: [m('mail_verify_address.lead', { service })],
    button: m('mail_verify_address.button'),
    note: m('mail_verify_address.note'),
  }),
  sign_up: (m, { service }) => ({
    subject: m('mail_sign_up.subject', { service }),
    heading: m('mail_sign_up.heading'),
    lead: [m('mail_sign_up.lead', { service })],
    button: m('mail_sign_up.button'),
    note: m('mail_sign_up.note'),
  }),
  account_exists: (m, { service }) => ({
    subject: m('mail_account_exists.subject', { service }),
    heading: m('mail_account_exists.heading'),
    lead: [m('mail_account_exists.lead', { service })],
    button: m('mail_account_exists.button'),
    note: m('mail_account_exists.note'),
  }),
  address_changed: (m, { service, new_address }) => ({
    subject: m('mail_address_changed.subject', { service }),
    heading: m('mail_address_changed.heading'),
    lead: [m('mail_address_changed.lead', { service, address: new_address })],
    button: m('mail_address_changed.button'),
    note: m('mail_address_changed.note'),
  }),
  addresses_changed: (m, { service, how, new_address: address }) => ({
    subject: m('mail_addresses_changed.subject', { service }),
    heading: m('mail_addresses_changed.heading'),
    lead: [
      how === 'added'
        ? m('mail_addresses_changed.added', { service, address })
        : m('mail_addresses_changed.primary', { service, address }),
    ],
    button: m('mail_address_changed.button'),
    note: m('mail_address_changed.note'),
  }),
  sign_in_link: (m, { service }) => ({
    subject: m('mail_sign_in_link.subject', { service }),
    heading: m('mail_sign_in_link.heading'),
    lead: [m('mail_sign_in_link.lead', { service })],
    button: m('mail_sign_in_link.button'),
    note: m('mail_sign_in_link.note'),
  }),
  sign_in_code: (m, { service }) => ({
    subject: m('mail_sign_in_code.subject', { service }),
    heading: m('mail_sign_in_code.heading'),
    lead: [m('mail_sign_in_code.lead', { service })],
    note: m('mail_sign_in_code.note', { service }),
  }),
  invitation: (m, { service, inviter, place }) => ({
    subject: m('mail_invitation.subject', { service }),
    heading: m('mail_invitation.heading'),
    lead: [
      m('mail_invitation.lead', { service }),
      ...(inviter === undefined ? [] : [m('mail_invitation.inviter', { inviter })]),
      ...(place === undefined ? [] : [m('mail_invitation.place', { place })]),
    ],
    button: m('mail_invitation.button'),
    note: m('mail_invitation.note'),
  }),
  transfer: (m, { service, inviter, place }) => ({
    subject: m('mail_transfer.subject', { service }),
    heading: m('mail_transfer.heading'),
    lead: [
      m('mail_transfer.lead', { place }),
      ...(inviter === undefined ? [] : [m('mail_transfer.inviter', { inviter })]),
    ],
    button: m('mail_transfer.button'),
    note: m('mail_transfer.note'),
  }),
  account_closed: (m, { service, until }) => ({
    subject: m('mail_account_closed.subject', { service }),
    heading: m('mail_account_closed.heading'),
    lead: [
      m('mail_account_closed.lead', { service, day: m.day(until) }),
      m('mail_account_closed.keep'),
    ],
    button: m('mail_account_closed.button'),
    note: m('mail_account_closed.note'),
  }),
  factor_removed: (m, { service, factor }) => ({
    subject: m('mail_factor_removed.subject', { service }),
    heading: m('mail_factor_removed.heading'),
    lead: [m('mail_factor_removed.lead', { service, factor })],
    button: m('mail_factor_removed.button'),
    note: m('mail_factor_removed.note'),
  }),
  factor_added: (m, { service, how, factor = '' }) => ({
    subject: m('mail_factor_added.subject', { service }),
    heading: m('mail_factor_added.heading'),
    lead: [
      how === 'codes'
        ? m('mail_factor_added.codes', { service })
        : how === 'app'
          ? m('mail_factor_added.app', { service, factor })
          : m('mail_factor_added.passkey', { service, factor }),
    ],
    note: m('mail_factor_added.note'),
  }),
  recovery_codes_low: (m, { service, left }) => ({
    subject: m('mail_recovery_codes_low.subject', { service }),
    heading: m('mail_recovery_codes_low.heading'),
    lead: [m('mail_recovery_codes_low.lead', { service, left })],
    note: m('mail_recovery_codes_low.note'),
  }),
  new_browser: (m, { service, browser, address, at }) => ({
    subject: m('mail_new_browser.subject', { service }),
    heading: m('mail_new_browser.heading'),
    lead: [m('mail_new_browser.lead', { service, browser, address, time: m.moment(at) })],
    note: m('mail_new_browser.note'),
  }),
  test: (m, { service }) => ({
    subject: m('mail_test.subject', { service }),
    heading: m('mail_test.heading'),
    lead: [m('mail_test.lead', { service })],
    note: m('mail_test.note'),
  }),
}

/** The words of a mail in a language. */
export function mailWords<kind extends MailKind>(
  m: Messages,
  { kind, values }: { kind: kind; values: MailValues<kind> },
  service: string,
): MailWords {
  return WRITERS[kind](m, { ...values, service })
}
