// English: signing in and out, the first operator, a new password, forms and errors.

export const enSignIn = {
  'sign_in.title': 'Sign in',
  'sign_in.lead': 'to go on to {client}',
  'sign_in.email': 'E-mail',
  'sign_in.email_or_user_name': 'E-mail address or user name',
  'sign_in.user_name': 'User name',
  'sign_in.password': 'Password',
  'sign_in.submit': 'Sign in',
  'sign_in.forgotten': 'Forgot your password?',
  'sign_in.sign_up': 'Create an account',
  'sign_in.link': 'Sign in by a mailed link',
  'sign_in.refused': 'E-mail or password is not right. Check both and try again.',
  'sign_in.too_many': 'Too many attempts. Wait some minutes, then try again.',

  'passkey.sign_in': 'Sign in with a passkey',
  'passkey.use': 'Use a passkey',
  'passkey.create': 'Create a passkey',
  'passkey.refused': 'This passkey did not work. Try again, or sign in another way.',
  'passkey.expired': 'This page was open for too long. Try again.',
  'passkey.not_used': 'No passkey was used. Try again, or go on another way.',
  'passkey.not_made': 'No passkey was made. Try again when you are ready.',
  'passkey.already': 'This device has a passkey for your account already.',
  'passkey.not_supported':
    'This device cannot make such a passkey. Try another one, such as your phone.',
  'passkey.wrong_host': 'Passkeys do not work at this address.',
  'passkey.failed': 'The browser could not do this. Try again.',
  'passkey.none': 'This browser does not know passkeys.',
  'passkey.no_script': 'Passkeys need JavaScript, which is off in this browser.',

  'sign_up.title': 'Create an account',
  'sign_up.lead': 'Type your e-mail address. You get a link with which you go on.',
  'sign_up.submit': 'Send the link',
  'sign_up.back': 'Back to sign-in',
  'sign_up.sent_title': 'Look into your mail',
  'sign_up.sent':
    'A mail is on its way to {email}. Its link is good for a day. Look among the unwanted mails too.',
  'sign_up.account_title': 'Your new account',
  'sign_up.name': 'Name (you may leave it out)',
  'sign_up.create': 'Create account',
  'sign_up.name_refused': 'Give a name of at most 200 characters that can be seen.',
  'sign_up.accept': 'I accept: {title}',
  'sign_up.texts_refused': 'Accept each text to go on. Without that there is no account.',
  'sign_up.dead': 'It was used, or is older than a day. Ask for another one.',
  'sign_up.off': 'Accounts are made by those who run this service.',
  'sign_up.by_invitation':
    'New accounts are by invitation here. Follow the link in your invitation, or ask for one.',

  'sign_in_link.title': 'Sign in by a link',
  'sign_in_link.lead':
    'Type the e-mail address of your account. You get a link that signs you in, in this browser.',
  'sign_in_link.sent':
    'If there is an account with the address {email}, a link is on its way to it. Open it in this browser, within ten minutes.',
  'sign_in_link.back': 'Back to sign-in',
  'sign_in_link.dead': 'It was used, or is older than ten minutes. Ask for another one.',
  'sign_in_link.elsewhere':
    'Open the link in the browser in which you asked for it, or ask for another one here.',
  'sign_in_link.off': 'This service signs nobody in by a link.',

  'logout.title': 'Sign out',
  'logout.client_asks': '{client} asks to sign you out.',
  'logout.lead': 'You will be signed out of this browser.',
  'logout.submit': 'Sign out',
  'logout.cancel': 'Stay signed in',

  'signed_out.title': 'You are signed out',
  'signed_out.text': 'Close the browser too if others use this computer.',
  'signed_out.sign_in': 'Sign in again',
  'signed_out.back': 'Go on to {host}',

  'setup.title': 'Set up the first operator',
  'setup.lead': 'This account may manage everything: people, devices, applications and access.',
  'setup.email': 'E-mail',
  'setup.password': 'Password',
  'setup.submit': 'Create operator',
  'setup.dead_title': 'This link no longer works',
  'setup.dead':
    'It was used, is older than an hour, or an operator exists already. Without an operator, a restart prints a new link, and so does the command setup-link.',

  'recovery_request.title': 'Forgot your password?',
  'recovery_request.lead':
    'Type the e-mail address of your account. You get a link to a new password.',
  'recovery_request.submit': 'Send the link',
  'recovery_request.back': 'Back to sign-in',
  'recovery_request.too_many': 'Too many requests. Wait some minutes, then try again.',
  'recovery_request.sent_title': 'Look into your mail',
  'recovery_request.sent':
    'If there is an account with the address {email}, a link is on its way to it. It is good for an hour. Look among the unwanted mails too.',

  'recovery.title': 'Set a new password',
  'recovery.lead': 'It ends every session of your account, and applications have to ask you again.',
  'recovery.account': 'Account',
  'recovery.password': 'New password',
  'recovery.submit': 'Set password',
  'recovery.dead_title': 'This link does not work',
  'recovery.dead_unknown': 'It is not whole, or a newer link took its place. Ask for another one.',
  'recovery.dead_expired': 'It is older than an hour. Ask for another one.',
  'recovery.dead_used':
    'A new password was set with it already. If that was not you, tell those who run this service at once.',
  'recovery.done_title': 'Your password is changed',
  'recovery.done': 'Every session has ended, and applications have to ask you again.',
  'recovery.sign_in': 'Sign in',

  'form_post.title': 'One moment',
  'form_post.lead': 'You are on your way back to {host}.',
  'form_post.submit': 'Continue',

  'form.out_of_date':
    'The form is out of date or was sent from another site. Go back, load the page again and retry.',
  'form.email_invalid': 'Enter an e-mail address such as ann@example.com.',
  'form.email_taken': 'There is already an account with this e-mail address.',
  'form.action': 'The form was sent without a known button.',

  'password.hint':
    'At least {min, plural, one {# character} other {# characters}}. Four or five random words are good.',
  'password.control': 'The password must not contain control characters.',
  'password.too_long': 'The password must not exceed {max, number} bytes.',
  'password.too_short':
    'The password must have at least {min, plural, one {# character} other {# characters}}.',
  'password.guessable':
    'The password is one of those that are tried first. Choose four or five random words.',
  'password.breached':
    'The password is known from a leak, so it would be guessed. Choose four or five random words.',

  'error.title': 'This did not work',
  'error.not_found_title': 'Not found',
  'error.not_found': 'There is no page at this address.',
  'error.ended': 'This has ended, or was completed already. Start again from the application.',
  'error.unknown_client': 'The application is not known here.',
  'error.not_allowed': 'Your account does not hold what is asked for.',
  'error.refused':
    'This request cannot be answered. If an application sent you here, tell those who run it.',
  'error.too_many': 'Too many attempts came from where you are. Try again later.',
  'error.busy': 'The service is busy. Try again in a moment.',
  'error.internal': 'Something went wrong here. Try again later.',
  'error.request': 'Request {id}',
  'error.footer': 'You can close this page, or go back and try again.',

  'language.title': 'Language',
  'language.change': 'Change language: {language}',
  'language.account': 'Mails to you come in this language too.',
  'language.back': 'Back without a change',
} as const
