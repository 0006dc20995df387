// English: a place that gets a new owner, and its mail.

export const enTransfer = {
  'transfer.title': 'A place is offered to you',
  'transfer.inviter': 'The offer is from {inviter}.',
  'transfer.place': 'The place: {place}.',
  'transfer.what':
    'If you accept, you are the owner. Everybody else loses access to it, and its devices go on working.',
  'transfer.there_is_account':
    'There is an account with this address. Sign in to accept the place.',
  'transfer.accept_lead': 'The place was offered to {address}. Accept it with this account?',
  'transfer.accept': 'Accept the place',
  'transfer.ends': 'This ends then:',
  'transfer.people': 'People who lose access: {count, number}',
  'transfer.grants': 'Rights: {count, number}',
  'transfer.invitations': 'Invitations on their way: {count, number}',
  'transfer.links': 'Links of assistants and apps: {count, number}',
  'transfer.claim_tokens': 'Secrets by which new devices come in: {count, number}',
  'transfer.credentials': 'Keys of devices: {count, number}',
  'transfer.tokens': 'Tokens of devices: {count, number}',
  'transfer.end_credentials':
    'End the keys that people added to devices so far ({count, number}). A device without another key has to be set up again.',
  'transfer.end_tokens':
    'End the tokens that people made for devices so far ({count, number}). A device that has only such a token has to be set up again.',
  'transfer.done_title': 'The place is yours',
  'transfer.done': 'You are the owner of {place}. This has ended:',
  'transfer.dead_title': 'This place cannot be accepted',
  'transfer.dead':
    'The offer was accepted or taken back, or it has run out. Ask whoever offered the place for a new one.',
  'transfer.powerless':
    'Whoever offered the place can no longer give it, or it was changed meanwhile. Ask for a new offer.',
  'mail_transfer.subject': 'A place is offered to you at {service}',
  'mail_transfer.heading': 'A place for you',
  'mail_transfer.lead': 'You are offered to be the owner of {place}.',
  'mail_transfer.inviter': 'The offer is from {inviter}.',
  'mail_transfer.button': 'Look at the offer',
  'mail_transfer.note': 'If you do not expect this, do nothing.',
} as const
