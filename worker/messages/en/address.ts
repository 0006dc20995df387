// English: the address and the password of an account, changed by its person.

export const enAddress = {
  'address.title': 'E-mail address',
  'address.lead':
    'A new address counts once you have followed the link that is mailed to it. The present one is told, and can undo it for a week.',
  'address.present': 'Present address',
  'address.new': 'New address',
  'address.submit': 'Send the link',
  'address.too_many': 'Too many mails. Wait some minutes, then try again.',
  'address.sent_title': 'Look into your mail',
  'address.sent': 'A link is on its way to {email}. It is good for a day.',
  'address.confirm_title': 'Is this your address?',
  'address.confirm_lead': 'It becomes the address of this account: {email}',
  'address.confirm': 'Yes, use this address',
  'address.undo_title': 'Put the old address back',
  'address.undo_lead':
    'The account gets the address {email} again. All sessions end, applications have to ask again, and factors added since are removed. Set a new password.',
  'address.undo': 'Put it back',
  'address.undone': 'The account has the address {email} again. Sign in with the new password.',
  'address.done_title': 'The address is changed',
  'address.done': 'The account has the address {email} now.',
  'address.dead_title': 'This link does not work',
  'address.dead': 'It was used, is too old, or the account was changed meanwhile.',
  'address.taken': 'Another account has this address.',
  'address.account': 'Account',

  'new_password.title': 'Change password',
  'new_password.lead': 'Your other browsers are signed out.',
  'new_password.present': 'Present password',
  'new_password.new': 'New password',
  'new_password.submit': 'Change password',
  'new_password.refused': 'The present password is not right. Check it and try again.',
} as const
