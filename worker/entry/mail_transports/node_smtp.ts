// SMTP on Node, Deno and Bun, by nodemailer. It is read with the first mail: most processes never
// send one, and it is a megabyte.
import { connect, type Socket } from 'node:net'
import type { MailOutcome, OutgoingMail } from '../../mail/outgoing.ts'
import { accepted, brokenOff, later, smtpRefusal } from './mail_failures.ts'
import type { SmtpServer } from './mail_transports.ts'

export async function sendByNodemailer(
  server: SmtpServer,
  mail: OutgoingMail,
  timeout_ms: number,
): Promise<MailOutcome> {
  const socket = connect({ host: server.host, port: server.port })
  let isLate = false
  // A server that took the mail after the time would get it twice: so it gets nothing more.
  const timer = setTimeout(() => {
    isLate = true
    socket.destroy(new Error('the server took too long'))
  }, timeout_ms)
  try {
    await connected(socket)
    return await sendOver(socket, server, mail, timeout_ms)
  } catch (error) {
    return isLate ? brokenOff(error, true) : outcomeOf(error)
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

const connected = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    // Later errors are those of nodemailer.
    socket.once('error', reject)
  })

async function sendOver(
  socket: Socket,
  { host, port, tls, verifies, login }: SmtpServer,
  mail: OutgoingMail,
  timeout_ms: number,
): Promise<MailOutcome> {
  const { createTransport } = await import('nodemailer')
  const transport = createTransport({
    host,
    port,
    connection: socket,
    secure: tls === 'implicit',
    requireTLS: tls === 'required',
    tls: { rejectUnauthorized: verifies, minVersion: 'TLSv1.2' },
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
    greetingTimeout: timeout_ms,
    socketTimeout: timeout_ms,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const { id, from, to, subject, text, html } = mail
  const { response } = await transport.sendMail({
    from,
    to,
    subject,
    text,
    html,
    messageId: `<${id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    // RFC 3834 §5: no program answers it.
    headers: { 'Auto-Submitted': 'auto-generated' },
  })
  return accepted(response)
}

const COMMANDS: Readonly<Record<string, 'sender' | 'recipient' | 'text'>> = {
  'MAIL FROM': 'sender',
  'RCPT TO': 'recipient',
  DATA: 'text',
}

type SmtpError = Error & {
  code?: string
  responseCode?: number
  response?: string
  command?: string
}

function outcomeOf(error: unknown): MailOutcome {
  if (!(error instanceof Error)) return brokenOff(error, false)
  const { code, responseCode, response = '', command = '' }: SmtpError = error
  if (code === 'EAUTH') return later('login_refused', response === '' ? error.message : response)
  if (code === 'ETIMEDOUT') return brokenOff(error, true)
  if (code === 'ETLS') return later('tls', error.message)
  if (responseCode === undefined) return brokenOff(error, false)
  return smtpRefusal({ code: responseCode, answer: response }, COMMANDS[command] ?? 'connection')
}
