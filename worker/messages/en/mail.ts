// English: mails. `service` is the name of the service, `mail.sender` the name of the sender where
// EMAIL_FROM has none; durations are filled by their count.

export const enMail = {
  'mail.sender': '{service}',
  'mail.greeting': 'Hello {name},',
  'mail.good_for_days':
    '{count, plural, one {It is good for one day, and once.} other {It is good for # days, and once.}}',
  'mail.good_for_hours':
    '{count, plural, one {It is good for one hour, and once.} other {It is good for # hours, and once.}}',
  'mail.good_for_minutes':
    '{count, plural, one {It is good for one minute, and once.} other {It is good for # minutes, and once.}}',
  'mail.copy': 'If the button does nothing, copy this address into your browser:',
  'mail.client': 'You came from {client}.',
  'mail.foot': 'This mail was sent by {service}. Nobody reads answers to it.',

  'mail_recovery.subject': 'Set a new password for {service}',
  'mail_recovery.heading': 'Set a new password',
  'mail_recovery.lead':
    'Behind the button you set a new password for your account at {service}. Every session of it ends then.',
  'mail_recovery.button': 'Set a new password',
  'mail_recovery.note':
    'If you did not ask for this, do nothing: your password stays as it is. Give the link to nobody.',

  'mail_verify_address.subject': 'Confirm your address for {service}',
  'mail_verify_address.heading': 'Confirm your address',
  'mail_verify_address.lead':
    'Confirm that this address is yours, and that it belongs to your account at {service}.',
  'mail_verify_address.button': 'Confirm the address',
  'mail_verify_address.note':
    'If you have no account there, do nothing: without you it is not confirmed.',

  'mail_sign_up.subject': 'Your account at {service}',
  'mail_sign_up.heading': 'Go on with your account',
  'mail_sign_up.lead': 'Somebody, you we hope, wants an account at {service} with this address.',
  'mail_sign_up.button': 'Create the account',
  'mail_sign_up.note': 'If it was not you, do nothing: no account is made.',

  'mail_account_exists.subject': 'You have an account at {service}',
  'mail_account_exists.heading': 'You have an account',
  'mail_account_exists.lead':
    'Somebody, you we hope, wanted a new account at {service} with this address. There is one already: sign in, or set a new password there.',
  'mail_account_exists.button': 'Sign in',
  'mail_account_exists.note': 'If it was not you, there is nothing to do.',

  'mail_address_changed.subject': 'Your address at {service} was changed',
  'mail_address_changed.heading': 'Your address was changed',
  'mail_address_changed.lead':
    'Your account at {service} now has the address {address}. This one no longer belongs to it.',
  'mail_address_changed.button': 'It was not me: undo it',
  'mail_address_changed.note': 'If you changed it yourself, there is nothing to do.',

  'mail_addresses_changed.subject': 'The addresses of your account at {service} were changed',
  'mail_addresses_changed.heading': 'The addresses of your account were changed',
  'mail_addresses_changed.added':
    'The address {address} was added to your account at {service}. It can sign in, and set a new password.',
  'mail_addresses_changed.primary':
    'Mails about your account at {service} go to the address {address} from now on.',

  'mail_sign_in_link.subject': 'Sign in to {service}',
  'mail_sign_in_link.heading': 'Sign in',
  'mail_sign_in_link.lead':
    'The button signs you in to {service}, in the browser in which you asked for it.',
  'mail_sign_in_link.button': 'Sign in',
  'mail_sign_in_link.note': 'If you did not ask for this, do nothing. Give the link to nobody.',

  'mail_sign_in_code.subject': 'Your code for {service}',
  'mail_sign_in_code.heading': 'Your code',
  'mail_sign_in_code.lead': 'Type this code where {service} asks you for it:',
  'mail_sign_in_code.note':
    'If you are not signing in, somebody else tries to. Give the code to nobody: nobody who works for {service} ever asks for it.',

  'mail_invitation.subject': 'An invitation to {service}',
  'mail_invitation.heading': 'You are invited',
  'mail_invitation.lead': 'You are invited to make an account at {service}.',
  'mail_invitation.inviter': 'The invitation is from {inviter}.',
  'mail_invitation.place': 'It leads into: {place}.',
  'mail_invitation.button': 'Accept the invitation',
  'mail_invitation.note': 'If you do not expect an invitation, do nothing.',

  'mail_account_closed.subject': 'Your account at {service} is closed',
  'mail_account_closed.heading': 'Your account is closed',
  'mail_account_closed.lead':
    'Your account at {service} was closed. It will be deleted on {day}, with everything in it.',
  'mail_account_closed.keep':
    'Until then you can keep it: sign in, and choose to keep the account.',
  'mail_account_closed.button': 'Sign in',
  'mail_account_closed.note':
    'If it was not you who closed it, sign in, keep it, and change your password.',

  'mail_factor_removed.subject': 'A sign-in factor was removed at {service}',
  'mail_factor_removed.heading': 'A factor was removed',
  'mail_factor_removed.lead': 'The factor “{factor}” no longer protects your account at {service}.',
  'mail_factor_removed.button': 'It was not me: undo it',
  'mail_factor_removed.note': 'If you wanted this, there is nothing to do.',

  'mail_factor_added.subject': 'Your sign-in at {service} has changed',
  'mail_factor_added.heading': 'Your sign-in has changed',
  'mail_factor_added.app':
    'The authenticator app “{factor}” now signs in to your account at {service}, beside your password.',
  'mail_factor_added.passkey': 'The passkey “{factor}” now signs in to your account at {service}.',
  'mail_factor_added.codes':
    'New recovery codes were made for your account at {service}. Those of before open nothing any more.',
  'mail_factor_added.note':
    'If it was not you, set a new password now, and look at the security page of your account.',

  'mail_recovery_codes_low.subject': 'Few recovery codes are left at {service}',
  'mail_recovery_codes_low.heading': 'Few recovery codes are left',
  'mail_recovery_codes_low.lead':
    '{left, plural, one {One recovery code is} other {# recovery codes are}} left for your account at {service}.',
  'mail_recovery_codes_low.note':
    'Sign in and make new ones on the page of your account, before you need them.',

  'mail_new_browser.subject': 'A new sign-in to {service}',
  'mail_new_browser.heading': 'A new sign-in',
  'mail_new_browser.lead':
    'Your account at {service} was opened in a browser that it does not know: {browser}, from {address}, on {time}.',
  'mail_new_browser.note':
    'If that was not you, set a new password, and sign out everywhere on the page of your account.',

  'mail_test.subject': 'A test mail from {service}',
  'mail_test.heading': 'It works',
  'mail_test.lead': 'Mails of {service} arrive at this address.',
  'mail_test.note': 'An operator sent this mail to try the transport.',
} as const
