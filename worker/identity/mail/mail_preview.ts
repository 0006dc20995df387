// Samples of mails, for operators who look at texts and looks. Their links and codes are good for
// nothing.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { emailSchema } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { composeMail } from '../../mail/mail_delivery.ts'
import { MAIL_KIND_NAMES, type MailContent, sampleContent } from '../../mail/mail_kinds.ts'
import type { OutgoingMail } from '../../mail/outgoing.ts'
import { findUserByAddress } from '../login_ids/login_id_store.ts'
import { mailLanguages } from './mails.ts'

const mailboxSchema = z.object({ address: z.string(), name: z.string() })

export const mailPreviewSchema = z
  .object({
    from: mailboxSchema,
    to: mailboxSchema,
    subject: z.string(),
    text: z.string(),
    html: z.string(),
  })
  .openapi('MailPreview')

export const previewQuery = z.object({
  kind: z.enum(MAIL_KIND_NAMES).default('recovery'),
  locale: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,35}$/, 'must be a language tag such as pl or en-GB')
    .optional(),
  user: emailSchema.optional().describe('address of a person, whose name and language count then'),
})

const SAMPLE_ISSUER = 'https://id.example.com'

/** A mail of a kind as it would reach a person. Throws Problem not_found. One round trip. */
export async function previewMail(
  cx: Context,
  { kind, locale, user: email }: z.output<typeof previewQuery>,
): Promise<z.infer<typeof mailPreviewSchema>> {
  const user = email === undefined ? null : await findPerson(cx, email)
  const { id: _, ...mail } = await sampleMail(cx, sampleContent(kind), {
    address: user?.email ?? 'ann@example.com',
    name: user?.email_verified === 1 ? user.name : null,
    locale: locale ?? user?.locale ?? null,
  })
  return mail
}

async function findPerson(cx: Context, email: string) {
  const [user] = await cx.db.read(findUserByAddress(email))
  if (user === undefined) throw new Problem('not_found', 'there is no user with this address')
  return user
}

/** Throws Problem for an address that cannot be sent to. */
async function sampleMail(
  cx: Context,
  content: MailContent,
  to: { address: string; name: string | null; locale: string | null },
): Promise<OutgoingMail> {
  const words = (await mailLanguages(cx, [to.locale]))(to.locale)
  const rendered = words(here(cx, content), to.name)
  const mail = composeMail(cx, { id: `mail_${cx.rid}`, ...to }, rendered)
  if (mail === null) throw new Problem('invalid_request', 'mails cannot be sent to this address')
  return mail
}

/** The sample with links of this issuer. */
const here = ({ config }: Context, { kind, values }: MailContent): MailContent => {
  const entries = Object.entries<string | number | undefined>(values).map(([name, value]) => [
    name,
    name === 'link' ? String(value).replace(SAMPLE_ISSUER, config.issuer) : value,
  ])
  return { kind, values: Object.fromEntries(entries) } as MailContent
}

/** Sends a mail past the outbox, to try the transport. Throws Problem. */
export const sendTestMail = async (cx: Context, address: string) =>
  cx.mail(await sampleMail(cx, sampleContent('test'), { address, name: null, locale: null }))
