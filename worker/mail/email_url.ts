// EMAIL_URL and EMAIL_FROM: how mails leave, and in whose name. Pure; a fault never repeats the
// text, since a password stands in it.
import { isLoopbackHost } from '../web/loopback.ts'
import { headerLine, sendableAddress } from './outgoing.ts'

export type EmailTransport =
  /** Mails go nowhere: operators read them. */
  | { via: 'outbox' }
  | {
      via: 'smtp'
      /** As a connection names it: an IPv6 address without brackets. */
      host: string
      port: number
      /**
       * `implicit`: from the first byte. `required`: by STARTTLS, or nothing is sent. `offered`: by
       * STARTTLS where the server has it.
       */
      tls: 'implicit' | 'required' | 'offered'
      /** Whether its certificate has to be good; not for STARTTLS on this machine itself. */
      verifies: boolean
      login: { user: string; password: string } | null
    }
  | { via: 'resend' | 'postmark'; url: string; key: string }
  | { via: 'ses'; url: string; region: string; access_key_id: string; secret_access_key: string }

export type EmailSender = {
  address: string
  /** Null: the service's own name. */
  name: string | null
}

type Report = (problem: string, example?: string) => void

const NOWHERE: EmailTransport = { via: 'outbox' }
const PROVIDERS = ['resend', 'postmark', 'ses'] as const

export function readEmailUrl(text: string, fault: Report): EmailTransport {
  if (text === 'outbox:') return NOWHERE
  const refuse = (problem: string, example?: string) => {
    fault(problem, example)
    return NOWHERE
  }
  if (!URL.canParse(text)) {
    return refuse(
      'is no URL; in user and password every sign but letters and digits is written %XX',
    )
  }
  const url = new URL(text)
  const user = decode(url.username)
  const password = decode(url.password)
  if (user === null || password === null) return refuse('has a % that begins no %XX')
  if (url.hostname === '') return refuse('has no host')
  if (url.hash !== '') return refuse('has a part behind #')
  const scheme = url.protocol.slice(0, -1)
  if (scheme === 'smtp' || scheme === 'smtps') return readSmtp(url, scheme, user, password, refuse)
  if (scheme === 'https' || scheme === 'http') return readProvider(url, user, password, refuse)
  return refuse('begins with none of outbox:, smtp://, smtps:// and https://')
}

/** Null where the text is no percent-encoding. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

type Refuse = (problem: string, example?: string) => EmailTransport

function readSmtp(
  url: URL,
  scheme: 'smtp' | 'smtps',
  user: string,
  password: string,
  refuse: Refuse,
): EmailTransport {
  if (!/^$|^\/$/.test(url.pathname) || url.search !== '') {
    return refuse('has a path or a query, which mean nothing for SMTP')
  }
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i.test(url.hostname))
    return refuse('has a host that is none')
  if ((user === '') !== (password === ''))
    return refuse('has a user without a password, or the reverse')
  if (/[\p{C}]/u.test(user + password)) return refuse('has a control character in user or password')
  const port = url.port === '' ? (scheme === 'smtps' ? 465 : 587) : Number(url.port)
  if (port === 0) return refuse('has the port 0')
  if (scheme === 'smtp' && port === 465) {
    return refuse(
      'names port 465, which speaks TLS at once',
      'smtps://user:password@mail.example.com',
    )
  }
  if (scheme === 'smtps' && port === 587) {
    return refuse(
      'names port 587, which begins in the clear',
      'smtp://user:password@mail.example.com',
    )
  }
  const isLoopback = isLoopbackHost(url.hostname.toLowerCase())
  const login = user === '' ? null : { user, password }
  return {
    via: 'smtp',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    // A password never goes over a network in the clear, whatever the server offers or somebody in
    // between takes out of its offer.
    tls: scheme === 'smtps' ? 'implicit' : login !== null && !isLoopback ? 'required' : 'offered',
    // Servers on this machine have certificates that nobody signed, and nobody stands in between.
    verifies: scheme === 'smtps' || !isLoopback,
    login,
  }
}

/** The address of SES in a region; some have a suffix of their country. */
const SES_HOST = /^email(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(\.[a-z]+)?$/

function readProvider(url: URL, user: string, password: string, refuse: Refuse): EmailTransport {
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    return refuse('must use https, unless its host is a loopback one')
  }
  const { hostname, searchParams } = url
  const others = [...searchParams.keys()].filter((name) => name !== 'provider' && name !== 'region')
  if (others.length > 0) return refuse('has a query other than provider and region')
  const byHost =
    hostname === 'api.resend.com'
      ? 'resend'
      : hostname === 'api.postmarkapp.com'
        ? 'postmark'
        : SES_HOST.test(hostname)
          ? 'ses'
          : null
  const wanted = searchParams.get('provider') ?? byHost
  const provider = PROVIDERS.find((one) => one === wanted)
  if (provider === undefined) {
    return refuse(
      'names a host whose way of taking mail is not known: add ?provider= with resend, postmark or ses',
      'https://KEY@mail.example.com?provider=postmark',
    )
  }
  const base = `${url.origin}${url.pathname.replace(/\/$/, '')}`
  if (provider === 'ses') {
    const region = searchParams.get('region') ?? SES_HOST.exec(hostname)?.[1] ?? ''
    const example = 'https://ACCESS_KEY_ID:SECRET@email.eu-central-1.amazonaws.com'
    if (user === '' || password === '') return refuse('lacks the access key or its secret', example)
    if (!/^[a-z0-9-]+$/.test(region)) return refuse('lacks the region', example)
    return { via: 'ses', url: base, region, access_key_id: user, secret_access_key: password }
  }
  // One text; some write it where others have a password.
  const key = [user, password].filter((one) => one !== '')
  const [only] = key
  if (only === undefined || key.length > 1) {
    return refuse('needs the key of the provider before @, alone', `https://KEY@${hostname}`)
  }
  if (!/^[\x21-\x7e]+$/.test(only)) return refuse('has a key with signs that no key has')
  return { via: provider, url: base, key: only }
}

/** `Name <address>`, or an address alone. */
export function readEmailFrom(text: string, fault: Report): EmailSender {
  const match = /^(?<name>[^<>]*)<(?<address>[^<>]+)>$/.exec(text)
  const { name = '', address = text } = match?.groups ?? {}
  const sendable = sendableAddress(address.trim())
  if (sendable === null) fault('is no address, and no name with an address')
  const line = headerLine(name.trim().replace(/^"(.*)"$/, '$1'))
  return { address: sendable ?? '', name: line === '' ? null : line }
}

/** The sender where EMAIL_FROM is not set. */
export function localSender(issuer: string): EmailSender {
  const host = URL.canParse(issuer) ? new URL(issuer).hostname : ''
  return { address: sendableAddress(`no-reply@${host}`) ?? 'no-reply@localhost', name: null }
}
