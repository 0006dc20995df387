// Required texts on the form with which a person makes an account: each has a box of its own, and
// the decisions are noted in the batch that makes the account. A box carries a MAC over the mailed
// link and the text as it was shown, since there is no account yet to which it could be bound.
import type { Context } from '../../context.ts'
import { type Condition, condition, join, type Statement, sql } from '../../db/sql.ts'
import { asksAgeFirst } from '../requirements.ts'
import { isOfferedAs, listLackingConsents, listOffered } from './consent_store.ts'
import { acceptance, type Offer, type OfferedRow, offerTo, shownLocale } from './decisions.ts'

/** Nobody: there is no account yet. */
const NOBODY = ''

/**
 * The texts that a new account lacks, as they are offered. None where the age is asked before them:
 * then they are shown at the first sign-in, to somebody who may decide.
 */
export const listTextsOfSignUp = (cx: Context): Statement<OfferedRow> =>
  sql`select * from (${listOffered(NOBODY)})
    where key in (${listLackingConsents(cx, NOBODY)}) and not ${asksAgeFirst()} order by key`

/** A text on the form. `box`: the name of its box, whose value is `shown`. */
export type TextOnForm = Offer & { box: string; isTicked: boolean }

/** Fields of the form by their names. */
type Fields = (name: string) => string | undefined

const boxOf = ({ key }: OfferedRow): string => `accept.${key}`
const readerOf = (link_hash: string): string => `link ${link_hash}`

/** The texts in a language that the reader understands, with the boxes that were ticked already. */
export const offerOnForm = (
  cx: Context,
  link_hash: string,
  rows: readonly OfferedRow[],
  wished: readonly string[],
  fields: Fields = () => undefined,
): readonly TextOnForm[] =>
  rows.map((row) => {
    const reader = readerOf(link_hash)
    const isTicked = shownLocale(cx, reader, row, fields(boxOf(row))) !== null
    return { ...offerTo(cx, reader, row, wished), box: boxOf(row), isTicked }
  })

export type AcceptedText = { row: OfferedRow; locale: string }

/** The texts with the language of each; null where one was not accepted as it is offered now. */
export function acceptedOnForm(
  cx: Context,
  link_hash: string,
  rows: readonly OfferedRow[],
  fields: Fields,
): readonly AcceptedText[] | null {
  const accepted = rows.flatMap((row) => {
    const locale = shownLocale(cx, readerOf(link_hash), row, fields(boxOf(row)))
    return locale === null ? [] : [{ row, locale }]
  })
  return accepted.length < rows.length ? null : accepted
}

/**
 * Statements that note what was accepted, behind those that make the account. A text of which
 * another version came meanwhile is not noted, and is asked for at the first door.
 */
export const acceptances = (
  cx: Context,
  user_id: string,
  accepted: readonly AcceptedText[],
  client_id: string | null,
  isMade: Condition,
): readonly Statement[] =>
  accepted.flatMap(({ row, locale }) =>
    acceptance(
      cx,
      user_id,
      row,
      { locale, client_id },
      join([isMade, isOfferedAs(row), condition`not ${asksAgeFirst()}`], ' and '),
    ),
  )
