// English: the account of a person, and the applications that have access to it.

export const enAccount = {
  'account.title': 'Your account',
  'account.signed_in_as': 'Signed in as',
  'account.sign_out': 'Sign out',
  'account.change_email': 'Change address',
  'account.change_password': 'Change password',
  'account.security': 'Security',
  'account.see_security': 'Passkeys, authenticator apps and recovery codes',
  'account.applications': 'Applications',
  'account.see_applications': 'See which applications have access',
  'account.sessions': 'Where you are signed in',
  'account.this_browser': 'This browser',
  'account.unknown_device': 'Unknown device',
  'account.since': 'since {time}',
  'account.since_from': '{address}, since {time}',
  'account.end': 'Sign out',
  'account.end_of': 'Sign out: {browser}',
  'account.everywhere': 'Sign out everywhere',
  'account.everywhere_hint':
    'Ends all of them, this browser included. Applications that keep access while you are away go on: take that away under Applications.',

  'applications.title': 'Applications with access',
  'applications.lead': 'They may, in your name:',
  'applications.none': 'No application has access to your account.',
  'applications.offline': 'Also while you are away',
  'applications.since': 'Since {day}',
  'applications.since_and_used': 'Since {day}, last used {time}',
  'applications.withdraw': 'Remove access',
  'applications.withdraw_of': 'Remove access: {client}',
  'applications.hint': 'An application whose access you remove has to ask you again.',
  'applications.back': 'Back to your account',
} as const
