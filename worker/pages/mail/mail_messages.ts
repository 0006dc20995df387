// Texts of mails, one object per language. Plain text with `{name}` for a value (the simple form of
// ICU MessageFormat): mail_text.ts fills and escapes them. `{service}` is there for all; a line of
// `optional` stands in the mail where its value was noted.
import type { MailKind } from '../../mail/mail_kinds.ts'

type MailTexts = {
  subject: string
  heading: string
  lead: string
  /** Words of the button, where the mail has a link. */
  button?: string
  /** Advice for a person who did not expect the mail. */
  note: string
  optional?: Readonly<Record<string, string>>
}

export type MailMessages = {
  locale: string
  direction: 'ltr' | 'rtl'
  /** `{name}` is that of the person. */
  greeting: string
  valid_for: string
  copy: string
  foot: string
  client: string
  kinds: { readonly [kind in MailKind]: MailTexts }
}

export const englishMails: MailMessages = {
  locale: 'en',
  direction: 'ltr',
  greeting: 'Hello {name},',
  valid_for: 'It is good for {valid_for}, and once.',
  copy: 'If the button does nothing, copy this address into your browser:',
  foot: 'This mail was sent by {service}. Nobody reads answers to it.',
  client: 'You came from {client_name}.',
  kinds: {
    recovery: {
      subject: 'Set a new password for {service}',
      heading: 'Set a new password',
      lead: 'Behind the button you set a new password for your account at {service}. Every session of it ends then.',
      button: 'Set a new password',
      note: 'If you did not ask for this, do nothing: your password stays as it is. Give the link to nobody.',
    },
    verify_address: {
      subject: 'Confirm your address for {service}',
      heading: 'Confirm your address',
      lead: 'Confirm that this address is yours, and that it belongs to your account at {service}.',
      button: 'Confirm the address',
      note: 'If you have no account there, do nothing: without you it is not confirmed.',
    },
    address_changed: {
      subject: 'Your address at {service} was changed',
      heading: 'Your address was changed',
      lead: 'Your account at {service} now has the address {new_address}. This one no longer belongs to it.',
      button: 'It was not me: undo it',
      note: 'If you changed it yourself, there is nothing to do.',
    },
    sign_in_link: {
      subject: 'Sign in to {service}',
      heading: 'Sign in',
      lead: 'The button signs you in to {service}, in the browser in which you asked for it.',
      button: 'Sign in',
      note: 'If you did not ask for this, do nothing. Give the link to nobody.',
    },
    sign_in_code: {
      subject: 'Your code for {service}',
      heading: 'Your code',
      lead: 'Type this code where {service} asks you for it:',
      note: 'If you are not signing in, somebody else tries to. Give the code to nobody: nobody who works for {service} ever asks for it.',
    },
    invitation: {
      subject: 'An invitation to {service}',
      heading: 'You are invited',
      lead: 'You are invited to make an account at {service}.',
      button: 'Accept the invitation',
      note: 'If you do not expect an invitation, do nothing.',
      optional: { inviter: 'The invitation is from {inviter}.', place: 'It leads into: {place}.' },
    },
    factor_removed: {
      subject: 'A sign-in factor was removed at {service}',
      heading: 'A factor was removed',
      lead: 'The factor "{factor}" no longer protects your account at {service}.',
      button: 'It was not me: undo it',
      note: 'If you wanted this, there is nothing to do.',
    },
    recovery_codes_low: {
      subject: 'Few recovery codes are left at {service}',
      heading: 'Few recovery codes are left',
      lead: 'Recovery codes of your account at {service} that are left: {left}.',
      note: 'Sign in and make new ones on the page of your account, before you need them.',
    },
    new_browser: {
      subject: 'A new sign-in to {service}',
      heading: 'A new sign-in',
      lead: 'Your account at {service} was opened in a browser that it does not know: {browser}, from {address}, on {at}.',
      note: 'If that was not you, set a new password, and sign out everywhere on the page of your account.',
    },
    test: {
      subject: 'A test mail from {service}',
      heading: 'It works',
      lead: 'Mails of {service} arrive at this address.',
      note: 'An operator sent this mail to try the transport.',
    },
  },
}

const LANGUAGES: ReadonlyMap<string, MailMessages> = new Map([[englishMails.locale, englishMails]])

/** The texts in a language (BCP 47), for a region in its language; else in English. */
export const mailMessagesFor = (locale: string | null): MailMessages =>
  LANGUAGES.get(locale ?? '') ?? LANGUAGES.get((locale ?? '').split('-')[0] ?? '') ?? englishMails
