// Guards of mProxy about names: who a client is, what is shown of it, and what a broker makes of its topics.
import type { Guard } from './guards.ts'

export const CLIENT_NAMES: readonly Guard[] = [
  {
    name: 'settings-show-no-password',
    attack: 'a part of the password of the broker in the log, where it holds a comma',
    file: 'proxy-node/addresses.ts',
    from: "const isHidden = secret || text.includes('@')",
    to: 'const isHidden = false',
    test: 'proxy-node/config',
    title: 'never repeat user or password of',
  },
  {
    name: 'settings-show-no-text-like-a-password',
    attack: 'user and password of an address whose @ was forgotten, in the log',
    file: 'proxy-node/addresses.ts',
    from: "if (PLAIN.test(text) && !text.includes('@')) return quote(text)",
    to: "if (!text.includes('@')) return quote(text)",
    test: 'proxy-node/config',
    title: 'never repeat user or password of',
  },
  {
    name: 'database-address-untold',
    attack: 'a password in the log of the worker, since the @ behind it was forgotten',
    file: 'worker/environment.ts',
    from: '} else if (!isFile && !URL.canParse(text)) {',
    to: "} else if (!isFile && text === '') {",
    test: 'ground/environment',
    title: 'no fault repeats user or password',
  },
  {
    name: 'log-of-a-stuck-reader',
    attack: 'memory filled by lines that nobody reads',
    file: 'proxy-node/operation/log.ts',
    from: 'if (unsaid > 0 || stream.writableLength > waitingMax) {',
    to: 'if (unsaid > 0) {',
    test: 'proxy-node/operation/log',
    title: 'keeps lines up to a bound',
  },
]
