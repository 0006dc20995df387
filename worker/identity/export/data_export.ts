// A copy of all that is kept about a person, as JSON and as a page that people read. It is read and
// sent piece by piece, so that no amount of data fills the memory. Never a secret: passwords, keys,
// codes and links are in no part.
// Files: export_sections.ts has the parts, export_routes.ts the page.
// Owns no table; reads those of all rooms. Leaves to each room which columns it has, and to
// pages/account/ how a part is shown.
import { assertNothingLacks, lackingOver } from '../../access/power.ts'
import { z } from '../../api.ts'
import { as, type Context } from '../../context.ts'
import { appendEvent } from '../../events.ts'
import type { Messages } from '../../messages/messages.ts'
import { type ExportSectionName, exportDocument } from '../../pages/account/export_page.ts'
import { loadSettings } from '../../settings.ts'
import { issuerPath } from '../../web/issuer_path.ts'
import type { LiveSession } from '../sessions.ts'
import { findUserById, userExists } from '../store.ts'
import { noSuchUser } from '../users.ts'
import { describeExported, EXPORT_SECTIONS } from './export_sections.ts'

export const EXPORT_PATH = '/account/export'

/** Rows that are read at once, and so the most that are in memory. */
const AT_ONCE = 200

export const exportSchema = z
  .object({
    issuer: z.string(),
    exported_at: z.int(),
    ...Object.fromEntries(
      EXPORT_SECTIONS.map(({ name }) => [name, z.array(z.record(z.string(), z.unknown()))]),
    ),
  })
  .openapi('UserExport')

/** Rows of a part, as many as are read at once; the first piece of each part is there always. */
type Piece = {
  name: ExportSectionName
  rows: readonly Record<string, unknown>[]
  isFirst: boolean
  isLast: boolean
}

async function* piecesOf(cx: Context, user_id: string): AsyncGenerator<Piece> {
  for (const { name, list } of EXPORT_SECTIONS) {
    let after = 0
    for (let isFirst = true, isLast = false; !isLast; isFirst = false) {
      const rows = await cx.db.read(list(user_id, after, AT_ONCE))
      isLast = rows.length < AT_ONCE
      after = rows.at(-1)?.cursor ?? after
      yield { name, rows: rows.map(describeExported), isFirst, isLast }
    }
  }
}

async function* jsonOf(cx: Context, user_id: string): AsyncGenerator<string> {
  const { issuer } = cx.config
  yield JSON.stringify({ issuer, exported_at: cx.now() }).slice(0, -1)
  for await (const { name, rows, isFirst, isLast } of piecesOf(cx, user_id)) {
    const start = isFirst ? `,\n${JSON.stringify(name)}:[` : ''
    const items = rows.map((row) => JSON.stringify(row)).join(',\n')
    const between = !isFirst && rows.length > 0 ? ',\n' : ''
    yield `${start}${between}${items}${isLast ? ']' : ''}`
  }
  yield '}\n'
}

async function* htmlOf(
  cx: Context,
  { user_id, user_email, user_name }: LiveSession,
  m: Messages,
): AsyncGenerator<string> {
  const { service_name } = await loadSettings(cx)
  const service = service_name === '' ? new URL(cx.config.issuer).host : service_name
  const { start, part, end } = await exportDocument(
    {
      email: user_email,
      name: user_name,
      service,
      made_at: cx.now(),
      base: issuerPath(cx.config.issuer),
    },
    m,
  )
  yield start
  for await (const piece of piecesOf(cx, user_id)) yield part(piece)
  yield end
}

/** The texts as the body of an answer, each made when the one before was taken. */
function streamOf(texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await texts.next()
      if (done === true) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await texts.return(undefined)
    },
  })
}

const noteExport = (cx: Context, user_id: string, form: 'json' | 'html') =>
  appendEvent(
    cx,
    { type: 'user.exported', subject_id: user_id, data: { form } },
    userExists(user_id),
  )

/** A copy for the person of the session. One write, and a read for each piece as it is sent. */
export async function exportOwnData(
  cx: Context,
  session: LiveSession,
  form: 'json' | 'html',
  m: Messages,
): Promise<ReadableStream<Uint8Array>> {
  const { user_id } = session
  await cx.db.write(noteExport(as(cx, { kind: 'user', id: user_id }), user_id, form))
  return streamOf(form === 'json' ? jsonOf(cx, user_id) : htmlOf(cx, session, m))
}

/**
 * A copy for an operator, who has to hold what the person holds. Throws Problem not_found,
 * forbidden. One read and one write, and a read for each piece as it is sent.
 */
export async function exportUser(cx: Context, id: string): Promise<ReadableStream<Uint8Array>> {
  const { user, lacks } = await cx.db.read({ user: findUserById(id), lacks: lackingOver(cx, id) })
  assertNothingLacks(lacks)
  if (user.length === 0) throw noSuchUser()
  await cx.db.write(noteExport(cx, id, 'json'))
  return streamOf(jsonOf(cx, id))
}
