// English: claiming a device with the code on its box.

export const enClaim = {
  'claim.title': 'Add a device',
  'claim.lead': 'Type the code that is on the box or on the device.',
  'claim.code': 'Code',
  'claim.continue': 'Continue',
  'claim.dead':
    'This code cannot be used. Compare it with the box; a code is good once and for a limited time.',
  'claim.ask': 'Add this device to your place?',
  'claim.serial': 'Serial number: {serial}',
  'claim.what':
    'The people of the place can use it then. Whoever had it before loses access to it.',
  'claim.sign_in': 'Sign in to add it to your place, or make an account first.',
  'claim.place': 'Which place does it go to?',
  'claim.new_place': 'A new place',
  'claim.new_name': 'Name of the new place',
  'claim.submit': 'Add the device',
  'claim.another': 'Use another code',
  'claim.no_place':
    'You run no place, and none can be made here. Ask the owner of a place to add the device.',
  'claim.place_needed': 'Choose a place. A new one needs a name.',
  'claim.place_refused': 'You cannot add devices to this place. Choose another one.',
  'claim.too_wide':
    'With this device, the rights there would not fit into a token any more. Choose another place.',
  'claim.done_title': 'The device was added',
  'claim.done': 'It is in {place} now. The code on the box cannot be used again.',
} as const
