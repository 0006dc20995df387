// SMTP over a stream (RFC 5321), for Workers: one connection, one mail. worker-mailer is not used:
// where somebody takes STARTTLS out of the server's offer it sends the password in the clear, and
// where the server closes the connection it waits in a loop that no timer ends.
import type { MailOutcome, OutgoingMail } from '../../mail/outgoing.ts'
import { accepted, brokenOff, forGood, later, smtpRefusal } from './mail_failures.ts'
import type { SmtpServer } from './mail_transports.ts'
import { base64, mimeMessage } from './mime_message.ts'

/** A connection, as `cloudflare:sockets` has it. */
export type SmtpSocket = {
  readable: ReadableStream<Uint8Array>
  writable: WritableStream<Uint8Array>
  startTls(): SmtpSocket
  close(): Promise<void>
}

export type OpenSocket = (
  address: { hostname: string; port: number },
  options: { secureTransport: 'on' | 'off' | 'starttls'; allowHalfOpen: boolean },
) => SmtpSocket

type Answer = { code: number; answer: string }

/** Thrown with the outcome that a refusal is. */
class Refused extends Error {
  readonly outcome: MailOutcome

  constructor(outcome: MailOutcome) {
    super('the mail was refused')
    this.outcome = outcome
  }
}

/** Longest answer of a server, in characters. */
const ANSWER_MAX = 65_536

/** The lines of one stream, and the commands that go out on it. */
class Lines {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private readonly writer: WritableStreamDefaultWriter<Uint8Array>
  private readonly decoder = new TextDecoder()
  private text = ''

  constructor({ readable, writable }: SmtpSocket) {
    this.reader = readable.getReader()
    this.writer = writable.getWriter()
  }

  write(text: string): Promise<void> {
    return this.writer.write(new TextEncoder().encode(text))
  }

  /** RFC 5321 §4.2.1: the lines up to the one with a space behind its code. */
  async answer(): Promise<Answer> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/.exec(this.text)
      if (match !== null) {
        // Text that came with the answer to STARTTLS is from nobody (RFC 3207 §4.2, CVE-2011-0411).
        this.text = this.text.slice(match[0].length)
        return { code: Number(match[1]), answer: match[0].trim() }
      }
      if (this.text.length > ANSWER_MAX) throw new Error('the server answered too much')
      const { value, done } = await this.reader.read()
      if (done) throw new Error('the server closed the connection')
      this.text += this.decoder.decode(value, { stream: true })
    }
  }

  get hasMore(): boolean {
    return this.text !== ''
  }

  release(): void {
    this.reader.releaseLock()
    this.writer.releaseLock()
  }
}

export async function sendOverSocket(
  open: OpenSocket,
  server: SmtpServer,
  mail: OutgoingMail,
  timeout_ms: number,
): Promise<MailOutcome> {
  const secureTransport = server.tls === 'implicit' ? 'on' : 'starttls'
  const address = { hostname: server.host, port: server.port }
  let socket: SmtpSocket | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let isLate = false
  try {
    socket = open(address, { secureTransport, allowHalfOpen: false })
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        isLate = true
        reject(new Error('the server took too long'))
      }, timeout_ms)
    })
    const swap = (next: SmtpSocket) => {
      socket = next
    }
    return await Promise.race([converse(socket, swap, server, mail), late])
  } catch (error) {
    return error instanceof Refused ? error.outcome : brokenOff(error, isLate)
  } finally {
    clearTimeout(timer)
    // Also where it is late: the server gets nothing more.
    void socket?.close().catch(() => {})
  }
}

async function converse(
  socket: SmtpSocket,
  swap: (next: SmtpSocket) => void,
  { tls, login }: SmtpServer,
  mail: OutgoingMail,
): Promise<MailOutcome> {
  let lines = new Lines(socket)
  const domain = mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1)
  await expectCode(lines.answer(), 2, 'connection')
  let offer = await greet(lines, domain)
  if (tls !== 'implicit' && offers(offer, 'STARTTLS')) {
    await command(lines, 'STARTTLS', 2, 'connection')
    if (lines.hasMore) throw new Refused(later('tls', 'words came before TLS'))
    lines.release()
    const upgraded = socket.startTls()
    swap(upgraded)
    lines = new Lines(upgraded)
    offer = await greet(lines, domain)
  } else if (tls === 'required') {
    // Nothing of the login has gone out.
    throw new Refused(later('tls', 'the server does not offer STARTTLS'))
  }
  if (login !== null) await logIn(lines, offer, login)
  const isAscii = /^[\x21-\x7e]+$/.test(mail.to.address + mail.from.address)
  if (!isAscii && !offers(offer, 'SMTPUTF8')) {
    throw new Refused(forGood('bad_address', 'the server takes ASCII addresses alone', false))
  }
  const utf8 = isAscii ? '' : ' SMTPUTF8' // RFC 6531 §3.4
  await command(lines, `MAIL FROM:<${mail.from.address}>${utf8}`, 2, 'sender')
  await command(lines, `RCPT TO:<${mail.to.address}>`, 2, 'recipient')
  await command(lines, 'DATA', 3, 'text')
  const { answer } = await command(lines, `${mimeMessage(mail, new Date())}.`, 2, 'text')
  // The mail is taken already.
  await lines.write('QUIT\r\n').catch(() => {})
  return accepted(answer)
}

type Step = Parameters<typeof smtpRefusal>[1]

async function expectCode(answered: Promise<Answer>, digit: number, step: Step): Promise<Answer> {
  const answer = await answered
  if (Math.floor(answer.code / 100) !== digit) throw new Refused(smtpRefusal(answer, step))
  return answer
}

async function command(lines: Lines, text: string, digit: number, step: Step): Promise<Answer> {
  await lines.write(`${text}\r\n`)
  return expectCode(lines.answer(), digit, step)
}

/** The extensions of the server, one on each line. */
const greet = async (lines: Lines, domain: string): Promise<string> =>
  (await command(lines, `EHLO ${domain}`, 2, 'connection')).answer

const offers = (offer: string, keyword: string): boolean =>
  new RegExp(`^\\d{3}[ -]${keyword}\\b`, 'im').test(offer)

/** RFC 4616, or the older LOGIN where a server has no other. */
async function logIn(
  lines: Lines,
  offer: string,
  { user, password }: NonNullable<SmtpServer['login']>,
): Promise<void> {
  const ways = /^\d{3}[ -]AUTH[ =](.*)$/im.exec(offer)?.[1]?.toUpperCase().split(/\s+/) ?? []
  if (ways.includes('PLAIN')) {
    await command(lines, `AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, 2, 'connection')
  } else if (ways.includes('LOGIN')) {
    await command(lines, 'AUTH LOGIN', 3, 'connection')
    await command(lines, base64(user), 3, 'connection')
    await command(lines, base64(password), 2, 'connection')
  } else {
    throw new Refused(later('login_refused', 'the server offers neither PLAIN nor LOGIN'))
  }
}
