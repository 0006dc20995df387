// Mails of a running worker, as an operator with `manage` reads them where EMAIL_URL is `outbox:`.

export type ReadMail = { kind: string; address: string; text: string }

/** The newest mails first, of those that a filter names. `secret` is that of the client `ops`. */
export async function readMails(
  issuer: string,
  secret: string,
  filter: Readonly<Record<string, string>> = {},
): Promise<ReadMail[]> {
  const answered = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  const { access_token } = (await answered.json()) as { access_token: string }
  const read = async <T>(path: string): Promise<T> => {
    const headers = { authorization: `Bearer ${access_token}` }
    return (await (await fetch(`${issuer}${path}`, { headers })).json()) as T
  }
  const { items } = await read<{ items: { id: string; kind: string; address: string }[] }>(
    `/v1/outbox?${new URLSearchParams(filter)}`,
  )
  const mails: ReadMail[] = []
  for (const { id, kind, address } of items) {
    const { content } = await read<{ content: { text: string } | null }>(`/v1/outbox/${id}`)
    mails.push({ kind, address, text: content?.text ?? '' })
  }
  return mails
}

/** The text of the newest mail of a kind to an address; '' for none. */
export async function readMailTo(
  issuer: string,
  secret: string,
  wanted: { address: string; kind: string },
): Promise<string> {
  const [mail] = await readMails(issuer, secret, { ...wanted, limit: '1' })
  return mail?.text ?? ''
}

/** The link in the text of a mail. */
export function linkIn(text: string): string {
  const link = /http\S+token=[\w-]+/.exec(text)?.[0]
  if (link === undefined) throw new Error(`no link in ${JSON.stringify(text)}`)
  return link
}
