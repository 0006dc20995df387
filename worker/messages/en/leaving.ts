// English: closing an account, keeping it, and a copy of the data in it.

export const enLeaving = {
  'closing.title': 'Close your account',
  'closing.lead':
    'You are signed out everywhere at once, and applications and assistants lose their access.',
  'closing.grace':
    'For {days, plural, one {# day} other {# days}} you can sign in and keep the account. Then it is deleted for good, with everything in it.',
  'closing.at_once':
    'It is deleted at once and for good, with everything in it. Nobody can undo this.',
  'closing.copy': 'Get a copy of your data first',
  'closing.submit': 'Close the account',
  'closing.last_operator':
    'You are the last operator: without you nobody could run this service. Make somebody else an operator first.',
  'closing.done_title': 'Your account is closed',
  'closing.done': 'It will be deleted on {day}. Until then you can sign in and keep it.',
  'closing.deleted_title': 'Your account is deleted',
  'closing.deleted': 'Everything in it is gone.',
  'closing.sign_in': 'Sign in',
  'keep.title': 'Your account is closed',
  'keep.lead': 'It will be deleted on {day}, with everything in it.',
  'keep.submit': 'Keep the account',
  'keep.leave': 'Leave it closed',
  'keep.hint': 'Applications and assistants that had access have to ask you again.',
} as const
