// People by their names, as SQL. A name is a row of `login_id`, which identity writes. An address
// counts when it is proven, or is the one that mails of its account go to; of several accounts the
// one that has proven it is meant, else the oldest. Two accounts whose addresses became the same
// are found by the form that each was made with.
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { emailKey, formerEmailKey } from '../email_address.ts'

/** The forms in which an address may be stored: the former one until it is rewritten. */
type AddressForms = { key: Scalar; former: Scalar }

export const addressForms = (email: string): AddressForms => ({
  key: scalar`${emailKey(email)}`,
  former: scalar`${formerEmailKey(email)}`,
})

/** A condition about a row of `login_id`: it is this address. */
export const isAddress = ({ key, former }: AddressForms): Condition =>
  condition`login_id.kind = 'email' and login_id.key in (${key}, ${former})`

/** A condition about a row of `login_id`: mails about it reach one account alone. */
const isClear = condition`login_id.form <> 'collides'`

/** The row of `login_id` that an address means, from `from` on, among those that `which` says. */
const meant = (forms: AddressForms, which: Condition = TRUE): Statement<never> =>
  // Within a column, since the terms of an order see nothing of a query around this one.
  sql`from (select login_id.*, login_id.form = 'collides' and login_id.key = ${forms.former} as is_own
      from login_id where ${isAddress(forms)} and ${which}
        and (login_id.verified_at is not null or login_id.is_primary = 1))
    order by is_own desc, verified_at is null, created_at, id limit 1`

/**
 * The row of `login_id` to which mails about this address go. None where two accounts came to have
 * it: nothing but a password says which of them is meant.
 */
export const findAddressToMail = (forms: AddressForms): Statement<{ user_id: string }> =>
  sql`select * ${meant(forms, isClear)}`

/** The id of the user whom an address means, or null. */
export const userWithAddress = (forms: AddressForms): Scalar =>
  scalar`(select user_id ${meant(forms)})`

/** The id of the user who alone has proven the address, or null. */
export const userWithProvenAddress = (forms: AddressForms): Scalar =>
  scalar`(select case when verified_at is not null then user_id end ${meant(forms, isClear)})`
