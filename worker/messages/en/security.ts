// English: passkeys and second factors, at the sign-in and in the account.

export const enSecurity = {
  'second_factor.title': 'One more step',
  'second_factor.lead':
    'Type the code that your authenticator app shows. A recovery code will do as well.',
  'second_factor.lead_passkey': 'Use your passkey, or type a recovery code.',
  'second_factor.lead_both':
    'Use your passkey, or type the code that your authenticator app shows. A recovery code will do as well.',
  'second_factor.account': 'Account',
  'second_factor.code': 'Code',
  'second_factor.recovery_code': 'Recovery code',
  'second_factor.submit': 'Continue',
  'second_factor.other': 'Use another account',
  'second_factor.refused':
    'This code is not right, or was used before. Wait for the next one and try again.',
  'second_factor.too_many': 'Too many wrong codes. Wait some minutes, then try again.',
  'second_factor.trust':
    'Do not ask again in this browser for {days, plural, one {# day} other {# days}}',
  'second_factor.ended_title': 'This sign-in has ended',
  'second_factor.ended': 'It took too long, or the account was changed meanwhile. Sign in again.',

  'removed_factor.title': 'Put the factor back',
  'removed_factor.lead':
    'An operator removed “{factor}”. Putting it back ends every sign-in since then, and takes away factors that were added since.',
  'removed_factor.done_title': 'The factor is back',
  'removed_factor.done':
    '“{factor}” protects your account again. If you did not ask for its removal, change your password too.',

  'security.title': 'Security',
  'security.lead': 'With a passkey or an authenticator app, a stolen password alone opens nothing.',
  'security.passkeys': 'Passkeys',
  'security.no_passkeys':
    'You have none yet. With one you sign in by your finger, your face or a PIN.',
  'security.synced': 'synced',
  'security.rename': 'Rename',
  'security.new_name': 'New name',
  'security.save_name': 'Save',
  'security.add_passkey': 'Add a passkey',
  'security.passkey_lead':
    'Your device makes a key that signs you in by your finger, your face or a PIN, without a password.',
  'security.passkey_name': 'Passkey',
  'security.passkey_taken':
    'This passkey cannot be added. It may be there already: look at your list.',
  'security.passkey_refused': 'This passkey cannot be added. Try again, or with another device.',
  'security.passkey_many': 'You have as many as there can be. Remove one first.',
  'security.last_way_in': 'This passkey is your only way in. Add another one before you remove it.',
  'security.factor_demanded':
    'A second factor is demanded of you, and this is your only one. Add another before you remove it.',
  'security.apps': 'Authenticator apps',
  'security.none': 'You have none yet.',
  'security.since': 'since {time}',
  'security.last_used': 'last used {time}',
  'security.remove': 'Remove',
  'security.add': 'Add an authenticator app',
  'security.codes': 'Recovery codes',
  'security.codes_left':
    '{count, plural, one {# code is left} other {# codes are left}}. Each stands in for your passkey or app once, when the phone is lost.',
  'security.make_codes': 'Make new codes',
  'security.back': 'Back to your account',
  'security.add_lead':
    'Scan this image with the app, or type the key into it. Then type the code it shows.',
  'security.image': 'QR code with the key',
  'security.key': 'Key',
  'security.name': 'Name',
  'security.name_hint': 'So that you know it again, such as the name of the phone.',
  'security.default_name': 'Authenticator app',
  'security.code': 'Code',
  'security.save': 'Add',
  'security.cancel': 'Cancel',
  'security.refused': 'This code does not fit the key. Wait for the next one and try again.',
  'security.name_refused': 'Give it a name of at most 60 characters that can be seen.',
  'security.expired': 'This key is too old. Scan the new one.',
  'security.codes_title': 'Your recovery codes',
  'security.codes_lead':
    'Keep them where you find them without your phone. They are shown this once, and take the place of all codes from before.',
  'security.codes_kept': 'I have kept them',
} as const
