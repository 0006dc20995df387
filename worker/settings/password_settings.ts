// Settings about new passwords. Part of the table.
import { z } from '../api.ts'
import { settingEntry as setting } from './setting_entry.ts'

export const PASSWORD_SETTINGS = {
  password_min_length: setting({
    schema: z.int().min(8).max(128),
    default: 15,
    unit: 'characters',
    needs: 'manage',
    meaning:
      'How many characters a new password must have where it is the only factor (NIST SP 800-63B-4 §3.1.1.1 asks for 15). Passwords that are there already go on.',
  }),
  password_min_length_with_factor: setting({
    schema: z.int().min(8).max(128),
    default: 8,
    unit: 'characters',
    needs: 'manage',
    meaning:
      'How many characters a new password must have where the person has a second factor, or needs one.',
  }),
  breached_passwords_url: setting({
    schema: z
      .string()
      .max(2048)
      .regex(
        /^(?:https:\/\/[\x21-\x22\x24-\x3e\x40-\x7e]+|http:\/\/(?:127\.0\.0\.1|localhost)(?::\d+)?\/[\x21-\x22\x24-\x3e\x40-\x7e]*)?$/,
        'must be an https address without query and fragment',
      ),
    default: '',
    unit: null,
    needs: 'manage',
    meaning:
      'Address of a service that lists leaked passwords by range, such as `https://api.pwnedpasswords.com/range`: five digits of the SHA-1 of each new password are sent there, for a second at most. Where it gives no usable answer, the password is taken, and an event counts it. Empty: nothing is asked. Plain http is for a service on this machine, with ALLOW_PRIVATE_ADDRESSES.',
  }),
}
