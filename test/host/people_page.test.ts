// The commands of docs/people.md, typed as they stand there, in their order, against a running
// worker and a mail server of another make.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/tree.ts'
import { run, startWorkerOn } from './programs.ts'
import { startSmtpServer } from './smtp_server.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

test('each command of docs/people.md does what the page says', async () => {
  const page = readFileSync(join(ROOT, 'docs/people.md'), 'utf8')
  // A command may go on in the next line.
  const lines = page
    .replaceAll(/ \\\n +/g, ' ')
    .split('\n')
    .filter((line) => /^ {4,8}(npm|curl) /.test(line))
  const smtp = await startSmtpServer()
  const env = { EMAIL_URL: `smtp://localhost:${smtp.port}`, EMAIL_FROM: 'Home <home@example.com>' }
  const blueprint = {
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
    ],
    users: [{ id: 'ann', email: 'ann@example.com' }],
  }
  const worker = await startWorkerOn('node', blueprint, env)
  try {
    const answer = await fetch(`${worker.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
    })
    const { access_token: TOKEN } = (await answer.json()) as { access_token: string }
    const npm = `npm() { shift 4; "${process.execPath}" "${join(ROOT, 'worker/entry/cli.ts')}" "$@"; }`
    const type = async (line: string) => {
      const shell = run('bash', ['-c', `${npm}\n${line.replace(' curl ', ' curl -sf ')}`], {
        cwd: worker.folder,
        env: {
          ...env,
          TOKEN,
          ISSUER: worker.issuer,
          PATH: process.env['PATH'] ?? '',
        },
      })
      const code = await shell.exit
      expect([line, code, code === 0 ? '' : shell.output()]).toEqual([line, 0, ''])
      return shell.output()
    }
    const outputs: string[] = []
    for (const line of lines) outputs.push(await type(line))
    expect(lines).toHaveLength(30)
    const [sent, preview, preview2, reset, reset2, abandoned, marked, marks, cleared, ...more] =
      outputs
    expect(sent).toContain('smtp: taken: 250')
    expect(preview).toMatch(/^Subject: Set a new password for /)
    expect(JSON.parse(preview2 ?? '')).toMatchObject({ to: { address: 'ann@example.com' } })
    expect(reset).toMatch(/in the outbox as mail_\w+, and goes to ann@example\.com/)
    expect(JSON.parse(reset2 ?? '')).toMatchObject({ url: null, mail_id: expect.any(String) })
    expect(JSON.parse(abandoned ?? '')).toMatchObject({ items: [] })
    expect(JSON.parse(marked ?? '')).toMatchObject({ reason: 'bounce' })
    expect(JSON.parse(marks ?? '')).toMatchObject({ items: [{ address: 'ann@example.com' }] })
    expect(cleared).toBe('')
    const [
      settings,
      texts,
      text,
      back,
      age,
      created,
      link,
      accounts,
      liz,
      added,
      names,
      people,
      length,
      unavailable,
      demanded,
      factors,
      byInvitation,
      invited,
      invitations,
      copy,
      closed,
    ] = more
    expect(JSON.parse(settings ?? '')).toMatchObject({ default_locale: 'de' })
    expect(JSON.parse(texts ?? '').items).toHaveLength(200)
    expect(JSON.parse(text ?? '')).toMatchObject({ locale: 'de', text: 'weiter mit {client}' })
    expect(back).toBe('')
    expect(JSON.parse(age ?? '')).toMatchObject({ self_consent_age: { default: 16 } })
    expect(created).toMatch(/^usr_\w+ is created; .* goes to bea@example\.com/)
    expect(JSON.parse(link ?? '')).toMatchObject({ url: null, mail_id: expect.any(String) })
    expect(JSON.parse(accounts ?? '')).toMatchObject({ sign_up: 'open', sign_in_links: 'on' })
    expect(JSON.parse(liz ?? '')).toMatchObject({ id: 'liz', email: null })
    expect(JSON.parse(added ?? '')).toMatchObject({ verified: true, is_primary: true })
    expect(JSON.parse(names ?? '').items).toHaveLength(2)
    expect(JSON.parse(people ?? '')).toMatchObject({ items: [{ id: 'liz' }] })
    expect(JSON.parse(length ?? '')).toMatchObject({ password_min_length: 12 })
    expect(JSON.parse(unavailable ?? '')).toMatchObject({ items: [] })
    expect(JSON.parse(demanded ?? '')).toMatchObject({ require_factor: 'operators' })
    expect(JSON.parse(factors ?? '')).toMatchObject({ items: [], recovery_codes: 0 })
    expect(JSON.parse(byInvitation ?? '')).toMatchObject({ sign_up: 'by_invitation' })
    expect(JSON.parse(invited ?? '')).toMatchObject({ state: 'open', invited_by: 'ops' })
    expect(JSON.parse(invitations ?? '')).toMatchObject({ items: [{ locale: 'pl' }] })
    expect(JSON.parse(copy ?? '')).toMatchObject({ account: [{ id: 'ann' }] })
    expect(JSON.parse(closed ?? '')).toMatchObject({ items: [] })
    const mails = await smtp.mails(6)
    expect(mails.map(({ rcpt_tos }) => rcpt_tos).sort()).toEqual([
      ...Array(4).fill(['ann@example.com']),
      ...Array(2).fill(['bea@example.com']),
    ])
    expect(new Map(mails[0]!.headers).get('From')).toBe('Home <home@example.com>')
    const states = page.slice(page.indexOf('| state |')).match(/^\| `(\w+)`/gm)
    expect(states?.slice(0, 6).map((cell) => cell.slice(3, -1))).toEqual([
      'waiting',
      'sent',
      'kept',
      'abandoned',
      'suppressed',
      'withdrawn',
    ])
  } finally {
    await worker.stop()
    await smtp.stop()
  }
}, 90_000)
