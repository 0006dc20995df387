// English: whatever a person lacks after a sign-in, and the consents of the account.

export const enRequirements = {
  'missing.read': 'Read: {title}',
  'missing.consent_lead': 'Read this and accept it to go on.',
  'missing.consent_again_lead':
    'Your acceptance is needed again to go on. The text may have changed since.',
  'missing.guardian_lead':
    'You are too young to decide about this alone. A parent or guardian decides for you: ask them to turn to those who run this service. Then sign in again.',
  'missing.accept': 'Accept',
  'missing.decline': 'Do not accept, and sign out',
  'missing.profile_title': 'Complete your profile',
  'missing.profile_lead': 'This is needed before you go on.',
  'missing.phone_hint': 'With the country code, such as +48 22 123 45 67.',
  'missing.profile_fault': 'Check this again: {fields}.',
  'missing.password_title': 'Set a new password',
  'missing.password_lead':
    'You need another password before you go on. It ends every other session, and applications have to ask you again.',
  'missing.present_password': 'Present password',
  'missing.new_password': 'New password',
  'missing.wrong_password': 'The present password is not right.',
  'missing.same_password': 'The new password is the present one. Choose another.',
  'missing.too_many': 'Too many attempts. Wait some minutes, then try again.',
  'missing.save': 'Save and go on',
  'missing.sign_out': 'Sign out',

  'missing.address_title': 'Prove your e-mail address',
  'missing.address_lead':
    'A link is sent to your address. Open it in this browser and confirm, then go on here.',
  'missing.address_proven': 'I have confirmed it',
  'missing.address_again': 'Send it again',
  'missing.factor_title': 'Add a second factor',
  'missing.factor_lead':
    'Here a password alone is not enough. Add an authenticator app or a passkey to go on; next time you are asked for it.',
  'missing.factor_app': 'With an authenticator app',
  'missing.factor_passkey': 'With a passkey',
  'missing.factor_mail': 'With a code by e-mail',
  'missing.factor_mail_lead':
    'A code is sent to your address, and is good for this once. With an app or a passkey you need no mail.',
  'missing.factor_mail_send': 'Send a code',
  'missing.factor_mail_sent': 'A code is on its way to {email}. It is good for ten minutes.',
  'missing.factor_other': 'Another way',
  'missing.code_refused':
    'This code is not right, was used, or is too old. Try again, or have a new one sent.',
  'missing.factor_save': 'Add and go on',

  'field.name': 'Name',
  'field.given_name': 'Given name',
  'field.family_name': 'Family name',
  'field.middle_name': 'Middle name',
  'field.nickname': 'Nickname',
  'field.gender': 'Gender',
  'field.birthdate': 'Date of birth',
  'field.phone_number': 'Phone number',

  'consents.title': 'Your consents',
  'consents.none': 'There is nothing to decide about.',
  'consents.required': 'Required',
  'consents.guardian':
    'You are too young to accept a text alone. A parent or guardian decides, and turns to those who run this service.',
  'consents.by_guardian': 'Decided by {guardian}.',
  'consents.read': 'Read the text',
  'consents.not_accepted': 'Not accepted',
  'consents.accepted': 'Accepted on {day}',
  'consents.outdated': 'An earlier version accepted on {day}',
  'consents.withdrawn': 'Withdrawn on {day}',
  'consents.newer': 'The new version is needed from {day}',
  'consents.accept': 'Accept',
  'consents.accept_of': 'Accept: {title}',
  'consents.withdraw': 'Withdraw',
  'consents.withdraw_of': 'Withdraw: {title}',
  'consents.withdraw_hint':
    'Withdrawing it signs you out everywhere and ends the access of all applications and assistants. You are asked again when you next sign in.',
  'missing.renewed_title': 'Your way in was renewed',
  'missing.renewed': '{by} made a new link to a password of your account on {time}.',
  'missing.renewed_note':
    'The owners of {place} made your account, and may do this. If you did not ask for it, talk to them.',
  'missing.renewed_seen': 'Go on',
} as const
