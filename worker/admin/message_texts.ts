// Texts that operators write in the place of the program's, by /v1/messages. Most pages may look
// and speak like the installation's own; but what a person agrees to, or is warned of, is power:
// those texts need `manage`, as settings do that give trust.
import { changedMeanwhile, demandPower, lackingToHandOn, NOTHING } from '../access/power.ts'
import { decodeCursor, lineSchema, type PageQuery, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { unlessRefused } from '../db/database.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { CATALOGUES, type Locale, MESSAGE_KEYS, type MessageKey } from '../messages/catalogues.ts'
import { LOCALES } from '../messages/locales.ts'
import { faultOfText, TEXT_MAX } from '../messages/messages.ts'
import {
  deleteOverride,
  findOverride,
  listOverrides,
  type OverrideRow,
  writeOverride,
} from '../messages/store.ts'
import { acceptTexts } from '../messages/texts.ts'
import type { SettingScope } from '../settings/setting_entry.ts'

export const messageInput = z
  .strictObject({ text: lineSchema(TEXT_MAX).describe('ICU MessageFormat, plain text') })
  .openapi('MessageInput')

export const messageSchema = z
  .object({
    locale: z.enum(LOCALES),
    key: z.string(),
    /** The text that pages show. */
    text: z.string(),
    /** The text of the program. */
    default_text: z.string(),
    is_default: z.boolean(),
    /** The scope that a change needs. */
    needs: z.enum(['settings:write', 'manage']),
    updated_at: z.int().nullable(),
  })
  .openapi('Message')

type MessageText = z.infer<typeof messageSchema>

/** Areas of texts with which nobody agrees to anything, or learns that it happens. */
const OWN_LOOK: readonly string[] = [
  'account',
  'error',
  'form_post',
  'language',
  'sign_in',
  'signed_out',
]

/** The scope that a change of the text needs: `manage` where nothing else is said. */
const scopeToWrite = (key: MessageKey): SettingScope =>
  OWN_LOOK.includes(key.split('.')[0] ?? '') ? 'settings:write' : 'manage'

type Place = { locale: Locale; key: MessageKey }

function describeText({ locale, key }: Place, row: OverrideRow | undefined): MessageText {
  const default_text = CATALOGUES[locale][key]
  return {
    locale,
    key,
    text: row?.text ?? default_text,
    default_text,
    is_default: row === undefined,
    needs: scopeToWrite(key),
    updated_at: row?.updated_at ?? null,
  }
}

/** The texts of one language in the order of their keys. One round trip. */
export async function listMessages(
  cx: Context,
  { locale, limit, cursor }: PageQuery & { locale: Locale },
) {
  const kind = `messages ${locale}`
  const after = decodeCursor(cx, kind, cursor)
  const rows = await cx.db.read(listOverrides())
  const texts = [...MESSAGE_KEYS]
    .sort()
    .filter((key) => key > after)
    .slice(0, limit + 1)
    .map((key) => {
      const row = rows.find((one) => one.locale === locale && one.key === key)
      return describeText({ locale, key }, row)
    })
  return pageOf(
    cx,
    kind,
    texts,
    limit,
    ({ key }) => key,
    (text) => text,
  )
}

/** A text. One round trip. */
export async function getMessage(cx: Context, place: Place): Promise<MessageText> {
  const [row] = await cx.db.read(findOverride(place.locale, place.key))
  return describeText(place, row)
}

const needsManage = () =>
  new Problem(
    'forbidden',
    'this text needs the scope manage, held without an end: people agree to something by it',
    [{ pointer: '/text', detail: 'needs the scope manage' }],
    'power_not_held',
  )

/**
 * Writes a text, or puts back that of the program where it is null. Other instances follow within a
 * minute. Round trips: 1 read, 1 write. Throws Problem invalid_request, forbidden.
 */
export async function changeMessage(
  cx: Context,
  place: Place,
  text: string | null,
): Promise<MessageText> {
  const { locale, key } = place
  const fault = text === null ? null : faultOfText(locale, key, text)
  if (fault !== null) {
    throw new Problem('invalid_request', 'the text cannot be so', [
      { pointer: '/text', detail: fault },
    ])
  }
  const lacking = scopeToWrite(key) === 'manage' ? lackingToHandOn(cx, ['manage']) : NOTHING
  const {
    row: [row],
    lacks,
  } = await cx.db.read({ row: findOverride(locale, key), lacks: lacking })
  if (lacks.length > 0) throw needsManage()
  const before = describeText(place, row).text
  const after = text ?? CATALOGUES[locale][key]
  const event = appendEvent(cx, {
    type: 'message.updated',
    data: { locale, key },
    before: { text: before },
    after: { text: after },
  })
  const write = cx.db.write({
    demands: demandPower([lacking]),
    change: text === null ? deleteOverride(locale, key) : writeOverride(cx, { locale, key, text }),
    event: (row?.text ?? null) === text ? null : event,
    after: listOverrides(),
  })
  const { after: rows } = await unlessRefused(write, () => {
    throw changedMeanwhile()
  })
  acceptTexts(cx, rows)
  return describeText(
    place,
    rows.find((one) => one.locale === locale && one.key === key),
  )
}
