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
  passkey: {
    signIn: 'Sign in with a passkey',
    use: 'Use a passkey',
    create: 'Create a passkey',
    refused: 'This passkey did not work. Try again, or sign in another way.',
    expired: 'This page was open for too long. Try again.',
    notUsed: 'No passkey was used. Try again, or go on another way.',
    notMade: 'No passkey was made. Try again when you are ready.',
    already: 'This device has a passkey for your account already.',
    notSupported: 'This device cannot make such a passkey. Try another one, such as your phone.',
    wrongHost: 'Passkeys do not work at this address.',
    failed: 'The browser could not do this. Try again.',
    none: 'This browser does not know passkeys.',
    noScript: 'Passkeys need JavaScript, which is off in this browser.',
  },
  secondFactor: {
    title: 'One more step',
    lead: 'Type the code that your authenticator app shows. A recovery code will do as well.',
    leadPasskey: 'Use your passkey, or type a recovery code.',
    leadBoth:
      'Use your passkey, or type the code that your authenticator app shows. A recovery code will do as well.',
    account: 'Account',
    code: 'Code',
    recoveryCode: 'Recovery code',
    submit: 'Continue',
    other: 'Use another account',
    refused: 'This code is not right, or was used before. Wait for the next one and try again.',
    tooMany: 'Too many wrong codes. Wait some minutes, then try again.',
    endedTitle: 'This sign-in has ended',
    ended: 'It took too long, or the account was changed meanwhile. Sign in again.',
  },
  security: {
    title: 'Security',
    signedInAs: 'Signed in as',
    lead: 'With a passkey or an authenticator app, a stolen password alone opens nothing.',
    passkeys: 'Passkeys',
    noPasskeys: 'You have none yet. With one you sign in by your finger, your face or a PIN.',
    synced: 'synced',
    rename: 'Rename',
    renameLabel: 'New name',
    renameSave: 'Save',
    addPasskey: 'Add a passkey',
    passkeyTitle: 'Add a passkey',
    passkeyLead:
      'Your device makes a key that signs you in by your finger, your face or a PIN, without a password.',
    passkeyName: 'Passkey',
    passkeyTaken: 'This passkey cannot be added. It may be there already: look at your list.',
    passkeyRefused: 'This passkey cannot be added. Try again, or with another device.',
    passkeyMany: 'You have as many as there can be. Remove one first.',
    lastWayIn: 'This passkey is your only way in. Add another one before you remove it.',
    apps: 'Authenticator apps',
    none: 'You have none yet.',
    since: 'since',
    lastUsed: 'last used',
    remove: 'Remove',
    add: 'Add an authenticator app',
    codes: 'Recovery codes',
    codesLeft: (left: number) => (left === 1 ? 'One code is left.' : `${left} codes are left.`),
    codesHint: 'Each stands in for your passkey or app once, when the phone is lost.',
    makeCodes: 'Make new codes',
    back: 'Back to your account',
    addTitle: 'Add an authenticator app',
    addLead: 'Scan this image with the app, or type the key into it. Then type the code it shows.',
    image: 'QR code with the key',
    key: 'Key',
    name: 'Name',
    nameHint: 'So that you know it again, such as the name of the phone.',
    defaultName: 'Authenticator app',
    code: 'Code',
    save: 'Add',
    cancel: 'Cancel',
    refused: 'This code does not fit the key. Wait for the next one and try again.',
    nameRefused: 'Give it a name of at most 60 characters that can be seen.',
    expired: 'This key is too old. Scan the new one.',
    codesTitle: 'Your recovery codes',
    codesLead:
      'Keep them where you find them without your phone. They are shown this once, and take the place of all codes from before.',
    done: 'I have kept them',
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
    security: 'Security',
    seeSecurity: 'Passkeys, authenticator apps and recovery codes',
    applications: 'Applications',
    seeApplications: 'See which applications have access',
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
