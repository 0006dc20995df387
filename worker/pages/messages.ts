// Texts that people read on the pages, one object per locale: titles, sentences, buttons, faults.
// Texts of single scopes, claims and actions are in scope_messages.ts. A page takes the object as
// its last argument, so another language is another object of the same shape. Plain text: the pages
// escape it.

export const english = {
  locale: 'en',
  signIn: {
    title: 'Sign in',
    /** `{client}` stands for its name. */
    lead: 'to go on to {client}',
    email: 'E-mail',
    password: 'Password',
    submit: 'Sign in',
    refused: 'E-mail or password is not right. Check both and try again.',
    tooMany: 'Too many attempts. Wait some minutes, then try again.',
  },
  consent: {
    title: (client: string) => `Allow access for ${client}`,
    /** `{client}` stands for its name. */
    lead: '{client} asks for access to your account',
    signedInAs: 'Signed in as',
    switchAccount: 'Use another account',
    may: 'It may then',
    nothing: 'know that you are signed in, and nothing else',
    at: 'It will use this at',
    allow: 'Allow',
    deny: 'Deny',
    sentTo: (host: string) => `Either way you go back to ${host}. Allow only if you know it.`,
    client: 'Client',
  },
  client: {
    policy: (client: string) => `Privacy at ${client}`,
    terms: (client: string) => `Terms of ${client}`,
  },
  linking: {
    title: (vendor: string) => `Link your account with ${vendor}`,
    /** `{service}` and `{vendor}`, in this order, stand for their names. */
    lead: 'Your {service} account will be linked with {vendor}.',
    authorize: (vendor: string, service: string) =>
      `By linking you authorize ${vendor} to control your devices at ${service}.`,
    may: (vendor: string) => `${vendor} may then`,
    lasting: 'keep this access until you unlink the account',
    allow: 'Agree and link',
    deny: 'Cancel',
    /** A person who is lured here would link the assistant of somebody else. */
    begun: (app: string) =>
      `Go on only if you began this in ${app}, where you can unlink at any time.`,
    sentTo: (host: string) => `Either way you go back to ${host}.`,
    privacy: (whose: string) => `Privacy at ${whose}`,
  },
  formPost: {
    title: 'One moment',
    lead: (host: string) => `You are on your way back to ${host}.`,
    submit: 'Continue',
  },
  device: {
    title: 'Connect a device',
    lead: 'Type the code that the device shows.',
    code: 'Code',
    continue: 'Continue',
    refused: 'This code is not right, or no longer good. Compare it with the device and try again.',
    tooMany: 'Too many attempts. Wait some minutes, then try again.',
    askTitle: (client: string) => `Connect ${client}`,
    /** `{client}` stands for its name. */
    ask: 'Connect {client} to your account?',
    warning:
      'Allow this only if you have the device in front of you and it shows the same code. If somebody sent you the code or a link, deny it: that person would get into your account.',
    may: 'The device may then',
    allowed: {
      title: 'The device is connected',
      text: 'It goes on by itself within a few seconds. You can close this page.',
    },
    denied: {
      title: 'Nothing was connected',
      text: 'The device gets no access to your account. You can close this page.',
    },
  },
  error: {
    title: 'This did not work',
    notFound: { title: 'Not found', text: 'There is no page at this address.' },
    /** For a question to the operator. */
    request: (id: string) => `Request ${id}`,
    footer: 'You can close this page, or go back and try again.',
  },
  setup: {
    title: 'Set up the first operator',
    lead: 'This account may manage everything: people, devices, applications and access.',
    email: 'E-mail',
    password: 'Password',
    hint: (min: number) => `At least ${min} characters. Four or five random words are good.`,
    submit: 'Create operator',
    deadTitle: 'This link no longer works',
    dead: 'It was used, is older than an hour, or an operator exists already. Without an operator, a restart prints a new link, and so does the command setup-link.',
  },
  recovery: {
    title: 'Set a new password',
    lead: 'It ends every session of your account, and applications have to ask you again.',
    account: 'Account',
    password: 'New password',
    hint: (min: number) => `At least ${min} characters. Four or five random words are good.`,
    submit: 'Set password',
    deadTitle: 'This link does not work',
    dead: {
      unknown: 'It is not whole, or a newer link took its place. Ask for another one.',
      expired: 'It is older than an hour. Ask for another one.',
      used: 'A new password was set with it already. If that was not you, tell those who run this service at once.',
    },
    doneTitle: 'Your password is changed',
    done: 'Every session has ended, and applications have to ask you again.',
    signIn: 'Sign in',
  },
  logout: {
    title: 'Sign out',
    /** `{client}` stands for its name. */
    clientAsks: '{client} asks to sign you out.',
    lead: 'You will be signed out of this browser.',
    signedInAs: 'Signed in as',
    submit: 'Sign out',
    cancel: 'Stay signed in',
  },
  signedOut: {
    title: 'You are signed out',
    text: 'Close the browser too if others use this computer.',
    signIn: 'Sign in again',
    back: (host: string) => `Go on to ${host}`,
  },
  account: {
    title: 'Your account',
    signedInAs: 'Signed in as',
    name: 'Name',
    email: 'E-mail',
    signOut: 'Sign out',
    applications: 'Applications',
    seeApplications: 'See which applications have access',
    consents: 'Consents',
    seeConsents: 'See what you agreed to, and withdraw it',
    sessions: 'Where you are signed in',
    thisBrowser: 'This browser',
    unknownDevice: 'Unknown device',
    since: 'since',
    end: 'Sign out',
    everywhere: 'Sign out everywhere',
    everywhereHint:
      'Ends all of them, this browser included. Applications that keep access while you are away go on: take that away under Applications.',
  },
  applications: {
    title: 'Applications with access',
    signedInAs: 'Signed in as',
    lead: 'They may, in your name:',
    none: 'No application has access to your account.',
    offline: 'Also while you are away',
    since: 'Since',
    lastUsed: 'last used',
    withdraw: 'Remove access',
    hint: 'An application whose access you remove has to ask you again.',
    back: 'Back to your account',
  },
  /** Whatever a person lacks, asked on the page /continue. */
  missing: {
    read: 'Read',
    consentLead: 'Read this and accept it to go on.',
    consentAgainLead: 'Your acceptance is needed again to go on. The text may have changed since.',
    accept: 'Accept',
    decline: 'Do not accept, and sign out',
    profileTitle: 'Complete your profile',
    profileLead: 'This is needed before you go on.',
    fields: {
      name: 'Name',
      given_name: 'Given name',
      family_name: 'Family name',
      middle_name: 'Middle name',
      nickname: 'Nickname',
      gender: 'Gender',
      birthdate: 'Date of birth',
      phone_number: 'Phone number',
    },
    phoneHint: 'With the country code, such as +48 22 123 45 67.',
    profileFault: (fields: string) => `Check this again: ${fields}.`,
    passwordTitle: 'Set a new password',
    passwordLead:
      'You need another password before you go on. It ends every other session, and applications have to ask you again.',
    presentPassword: 'Present password',
    newPassword: 'New password',
    wrongPassword: 'The present password is not right.',
    samePassword: 'The new password is the present one. Choose another.',
    tooMany: 'Too many attempts. Wait some minutes, then try again.',
    save: 'Save and go on',
    signOut: 'Sign out',
  },
  consents: {
    title: 'Your consents',
    none: 'There is nothing to decide about.',
    required: 'Required',
    read: 'Read the text',
    standing: {
      none: 'Not accepted',
      accepted: 'Accepted on',
      outdated: 'An earlier version accepted on',
      withdrawn: 'Withdrawn on',
    },
    /** A day follows. */
    newer: 'The new version is needed from',
    accept: 'Accept',
    withdraw: 'Withdraw',
    withdrawHint:
      'Withdrawing it signs you out everywhere and ends the access of all applications and assistants. You are asked again when you next sign in.',
  },
  form: {
    outOfDate:
      'The form is out of date or was sent from another site. Go back, load the page again and retry.',
    emailInvalid: 'Enter an e-mail address such as ann@example.com.',
    emailTaken: 'There is already an account with this e-mail address.',
    passwordFault: (fault: string) => `The password ${fault}.`,
    action: 'the form was sent without a known button',
  },
}

export type Messages = typeof english

const LOCALES: ReadonlyMap<string, Messages> = new Map([[english.locale, english]])
export const UI_LOCALES: readonly string[] = [...LOCALES.keys()]

/**
 * The texts in the first wished locale (BCP 47) that there is, for a region in its language; else
 * English.
 */
export function messagesFor(ui_locales: readonly string[]): Messages {
  for (const one of ui_locales) {
    const found = LOCALES.get(one) ?? LOCALES.get(one.split('-')[0] ?? '')
    if (found !== undefined) return found
  }
  return english
}
