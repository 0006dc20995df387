// English: invitations, and what a person does with one.

export const enInvitation = {
  'invitation.title': 'You are invited',
  'invitation.inviter': 'The invitation is from {inviter}.',
  'invitation.place': 'It leads into: {place}.',
  'invitation.new': 'Choose a password, and the account is yours.',
  'invitation.have_account': 'I have an account already',
  'invitation.there_is_account':
    'There is an account with this address. Sign in to accept the invitation.',
  'invitation.sign_in': 'Sign in',
  'invitation.accept_lead': '{address} was invited. Accept the invitation with this account?',
  'invitation.accept': 'Accept the invitation',
  'invitation.other_account': 'Use another account',
  'invitation.dead_title': 'This invitation cannot be used',
  'invitation.dead':
    'It has been used or taken back, or it has run out. If you have an account, sign in; else ask whoever invited you for a new one.',
  'invitation.too_wide':
    'The rights that come with this do not fit into a token beside those of your account. Ask whoever sent it for fewer.',
  'invitation.powerless':
    'Whoever invited you can no longer give what this invitation promises. Ask for a new one.',
} as const
