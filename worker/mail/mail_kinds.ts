// Mail: kinds of mails with their values, the outbox, addresses that take no mail.
// Files: this one has the table of kinds; outbox.ts notes a mail; mail_delivery.ts sends it by the
// machine of ../deliveries.ts; outgoing.ts is the form in which a host sends one.
// Tables: `mail`, `undeliverable_address` (mail_store.ts).
// Leaves the texts to pages/, and transports to entry/.

/**
 * A value of a kind of mail. A `secret` one is power (a link, a code): it is sealed at rest and
 * erased when it is of no more use.
 */
type MailMember = {
  is: 'string' | 'number'
  secret?: true
  optional?: true
  meaning: string
  /** Value for a preview. */
  sample: string | number
}

type MailEntry = { meaning: string; values: Readonly<Record<string, MailMember>> }

/** A whole address of this issuer, with its token. */
const link = (sample: string) =>
  ({ is: 'string', secret: true, meaning: 'the address behind the button', sample }) as const

const valid_for = (sample: number) =>
  ({ is: 'number', meaning: 'for how many seconds link or code is good', sample }) as const

/** The application through which the person came; absent where there was none. */
const CLIENT = {
  client_id: {
    is: 'string',
    optional: true,
    meaning: 'id of the application that the person came from',
    sample: 'living-room-app',
  },
  client_name: {
    is: 'string',
    optional: true,
    meaning: 'its name for people',
    sample: 'Living Room',
  },
} as const

export const MAIL_KINDS = {
  recovery: {
    meaning: 'A link to a new password.',
    values: {
      link: link('https://id.example.com/recover/password?token=sample'),
      valid_for: valid_for(3600),
      ...CLIENT,
    },
  },
  verify_address: {
    meaning: 'A link that proves the address.',
    values: {
      link: link('https://id.example.com/verify?token=sample'),
      valid_for: valid_for(86_400),
      ...CLIENT,
    },
  },
  sign_up: {
    meaning: 'A link behind which somebody makes an account.',
    values: {
      link: link('https://id.example.com/sign-up/confirm?token=sample'),
      valid_for: valid_for(86_400),
    },
  },
  account_exists: {
    meaning: 'To somebody who asked for an account and has one.',
    values: { link: link('https://id.example.com/login') },
  },
  address_changed: {
    meaning: 'To the old address: the account has another one now, with a link that undoes it.',
    values: {
      new_address: { is: 'string', meaning: 'the new address', sample: 'ann.new@example.com' },
      link: link('https://id.example.com/undo?token=sample'),
      valid_for: valid_for(604_800),
    },
  },
  addresses_changed: {
    meaning:
      'To the primary address: another one was added, or mails go to another one, with a link that undoes it.',
    values: {
      how: { is: 'string', meaning: '`added` or `primary`', sample: 'added' },
      new_address: { is: 'string', meaning: 'the other address', sample: 'ann.new@example.com' },
      link: link('https://id.example.com/undo?token=sample'),
      valid_for: valid_for(604_800),
    },
  },
  sign_in_link: {
    meaning: 'A link that signs in.',
    values: {
      link: link('https://id.example.com/login/link?token=sample'),
      valid_for: valid_for(600),
      ...CLIENT,
    },
  },
  sign_in_code: {
    meaning: 'A code to type while signing in.',
    values: {
      code: { is: 'string', secret: true, meaning: 'the code', sample: '492 817' },
      valid_for: valid_for(600),
      ...CLIENT,
    },
  },
  invitation: {
    meaning: 'An invitation to make an account.',
    values: {
      inviter: {
        is: 'string',
        optional: true,
        meaning: 'name of the person who invites',
        sample: 'Bea Example',
      },
      place: {
        is: 'string',
        optional: true,
        meaning: 'name of the group that it leads into',
        sample: '12 Garden Street',
      },
      link: link('https://id.example.com/invitation?token=sample'),
      valid_for: valid_for(604_800),
    },
  },
  transfer: {
    meaning: 'The offer to become the owner of a place.',
    values: {
      inviter: {
        is: 'string',
        optional: true,
        meaning: 'name of the person who offers it',
        sample: 'Bea Example',
      },
      place: { is: 'string', meaning: 'name of the place', sample: '12 Garden Street' },
      link: link('https://id.example.com/transfer?token=sample'),
      valid_for: valid_for(604_800),
    },
  },
  account_closed: {
    meaning: 'The account was closed; until a time its person can keep it.',
    values: {
      until: {
        is: 'number',
        meaning: 'when the account is deleted, in epoch seconds',
        sample: 1_800_000_000,
      },
      link: link('https://id.example.com/login'),
    },
  },
  factor_removed: {
    meaning: 'A factor was taken from the account, with a link that undoes it.',
    values: {
      factor: { is: 'string', meaning: 'name of the factor', sample: 'Phone of Ann' },
      link: link('https://id.example.com/undo?token=sample'),
      valid_for: valid_for(86_400),
    },
  },
  factor_added: {
    meaning: 'An app or a passkey was added to the account, or new recovery codes were made.',
    values: {
      how: { is: 'string', meaning: '`app`, `passkey` or `codes`', sample: 'passkey' },
      factor: {
        is: 'string',
        optional: true,
        meaning: 'name of the app or passkey',
        sample: 'Phone of Ann',
      },
    },
  },
  recovery_codes_low: {
    meaning: 'Few recovery codes are left.',
    values: {
      left: { is: 'number', meaning: 'how many are left', sample: 3 },
    },
  },
  new_browser: {
    meaning: 'A browser signed in that never did before.',
    values: {
      browser: { is: 'string', meaning: 'the browser, as people know it', sample: 'Firefox' },
      address: { is: 'string', meaning: 'the network address', sample: '192.0.2.7' },
      at: { is: 'number', meaning: 'when, in epoch seconds', sample: 1_800_000_000 },
      ...CLIENT,
    },
  },
  test: {
    meaning: 'The mail that `allauth mail test` sends.',
    values: {},
  },
} as const satisfies Readonly<Record<string, MailEntry>>

export type MailKind = keyof typeof MAIL_KINDS

export const MAIL_KIND_NAMES = Object.keys(MAIL_KINDS) as [MailKind, ...MailKind[]]

/** The same table, for code that reads any entry. */
const ENTRIES: Readonly<Record<MailKind, MailEntry>> = MAIL_KINDS

type MembersOf<kind extends MailKind> = (typeof MAIL_KINDS)[kind]['values']

type ValueOf<member> = member extends { is: 'number' } ? number : string

/** The values of a mail of this kind. */
export type MailValues<kind extends MailKind> = {
  readonly [name in keyof MembersOf<kind> as MembersOf<kind>[name] extends { optional: true }
    ? never
    : name]: ValueOf<MembersOf<kind>[name]>
} & {
  readonly [name in keyof MembersOf<kind> as MembersOf<kind>[name] extends { optional: true }
    ? name
    : never]?: ValueOf<MembersOf<kind>[name]> | undefined
}

/** A kind with its values: one form for each kind of the table. */
export type MailContent = {
  [kind in MailKind]: { kind: kind; values: MailValues<kind> }
}[MailKind]

type AnyValues = Record<string, string | number>

/** Parts the values of a mail into those that are kept in the clear, and those that are sealed. */
export function partValues({ kind, values }: MailContent): {
  details: AnyValues
  secrets: AnyValues
} {
  const all: Readonly<Record<string, string | number | undefined>> = values
  const part = (isSecret: boolean) =>
    Object.fromEntries(
      Object.entries(ENTRIES[kind].values).flatMap(([name, { secret = false }]) => {
        const value = all[name]
        return value === undefined || secret !== isSecret ? [] : [[name, value] as const]
      }),
    )
  return { details: part(false), secrets: part(true) }
}

export const hasSecrets = (kind: string): boolean =>
  isMailKind(kind) && Object.values(ENTRIES[kind].values).some(({ secret }) => secret === true)

export const isMailKind = (kind: string): kind is MailKind => Object.hasOwn(MAIL_KINDS, kind)

/** The values as they were noted, put together again; null where one of them is missing. */
export function contentOf(kind: string, values: AnyValues): MailContent | null {
  if (!isMailKind(kind)) return null
  const isWhole = Object.entries(ENTRIES[kind].values).every(([name, { is, optional }]) =>
    values[name] === undefined ? optional === true : typeof values[name] === is,
  )
  return isWhole ? ({ kind, values } as MailContent) : null
}

/** A mail of the kind that says what one might. Its link and its code are good for nothing. */
export function sampleContent(kind: MailKind): MailContent {
  const values = Object.entries(ENTRIES[kind].values).map(([name, { sample }]) => [name, sample])
  return { kind, values: Object.fromEntries(values) } as MailContent
}
