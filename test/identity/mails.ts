// Mails as their readers see them.
import { sql } from '../../worker/db/sql.ts'
import type { TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

export type Mail = { id: string; kind: unknown; address: unknown; text: string }

/** All mails of the outbox, oldest first, with their text, as an operator reads them. */
export async function mailsOf(worker: TestWorker): Promise<Mail[]> {
  await worker.settled()
  const token = await newClientToken(worker, 'manage', `reader-${crypto.randomUUID()}`)
  const rows = await worker.context().db.read(sql<{ id: string }>`select id from mail order by id`)
  const mails: Mail[] = []
  for (const { id } of rows) {
    const { body } = await callApi(worker, token, 'GET', `/v1/outbox/${id}`)
    const { text = '' } = (body['content'] ?? {}) as { text?: string }
    mails.push({ id, kind: body['kind'], address: body['address'], text })
  }
  return mails
}

export const linkIn = ({ text }: Mail): URL => new URL(/http\S+token=\S+/.exec(text)?.[0] ?? '')
