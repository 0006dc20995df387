// A real mail server of another make (aiosmtpd), on a free port.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { temporaryFolder } from '../support/folder.ts'
import { run } from './programs.ts'

export type ArrivedMail = {
  mail_from: string
  rcpt_tos: string[]
  /** Decoded. */
  headers: [string, string][]
  parts: Record<string, string>
  raw: string
  tls: boolean
  login: string
}

type Kind = {
  tls?: 'none' | 'starttls' | 'implicit'
  auth?: 'none' | 'auth' | 'plain'
  port?: number
}

/** The password that the server knows; the user is any. */
export const SMTP_PASSWORD = 'pa/ss:wörd'

export async function startSmtpServer({ tls = 'none', auth = 'none', port: wanted }: Kind = {}) {
  const folder = temporaryFolder()
  const [key, certificate] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const files = ['-keyout', key, '-out', certificate]
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, ...files], { stdio: 'pipe' })
  const port = wanted ?? (await findFreePort())
  const script = new URL('fixtures/smtp_server.py', import.meta.url).pathname
  const args = [script, String(port), tls, auth, certificate, key]
  const program = run('/usr/bin/python3', args, { cwd: folder.path })
  await program.printed(/"ready"/)
  const lines = (): Record<string, unknown>[] =>
    program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  return {
    port,
    /** File of its certificate, which signs itself. */
    certificate,
    /** Mails that it took, once there are so many; fewer after some seconds. */
    async mails(count = 0): Promise<ArrivedMail[]> {
      for (let i = 0; ; i++) {
        const mails = lines().filter((line) => 'raw' in line) as ArrivedMail[]
        if (mails.length >= count || i > 500) return mails
        await new Promise((done) => setTimeout(done, 20))
      }
    },
    /** Logins that were tried. */
    logins: () => lines().filter((line) => 'tried' in line) as { tried: string; tls: boolean }[],
    async stop() {
      await program.stop()
      folder.remove()
    },
  }
}
