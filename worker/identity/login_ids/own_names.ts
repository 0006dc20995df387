// The names of the person who is signed in: they are listed, a further address is asked for, one
// that is proven becomes the primary one, and one is removed. The primary address is told of each
// change of where mails go, with a link that undoes it for a week. User names and phones are given
// by operators alone.
import { as, type Context } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import { condition } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { undoLink } from '../address/address_change.ts'
import { sendMails } from '../mail/mails.ts'
import { findUserById, touchUser } from '../store.ts'
import {
  deleteLoginId,
  demandUserAt,
  listLoginIds,
  loginIdExists,
  NAMES_MAX,
} from './login_id_store.ts'
import { isAddressTaken } from './login_ids.ts'
import { primaryChange } from './user_login_ids.ts'

export type OwnNames = Awaited<ReturnType<typeof readOwnNames>>

/** One round trip. */
export async function readOwnNames(cx: Context, user_id: string) {
  const { user, names } = await cx.db.read({
    user: findUserById(user_id),
    names: listLoginIds(user_id),
  })
  return { user: user[0], names }
}

export const hasRoom = ({ names }: OwnNames): boolean => names.length < NAMES_MAX

/** `primary`: mails go there, so another one has to become primary first. */
export type NameChange = 'done' | 'unknown' | 'primary' | 'unproven' | 'busy'

/** Makes a proven address the one that mails go to, and tells the one of before. One write. */
export async function makeOwnPrimary(
  cx: Context,
  { user, names }: OwnNames,
  login_id: string,
): Promise<NameChange> {
  const row = names.find(({ id, kind }) => id === login_id && kind === 'email')
  if (row === undefined || user === undefined) return 'unknown'
  if (row.is_primary === 1) return 'done'
  if (row.verified_at === null || row.form === 'collides') return 'unproven'
  const acting = as(cx, { kind: 'user', id: user.id })
  const isDone = condition`exists (select 1 from login_id where id = ${login_id} and is_primary = 1)`
  const change = { user_id: user.id, email: user.email, address: row.value }
  const hadAddress = condition`${user.email !== ''}`
  const write = cx.db.write([
    demandUserAt(user, isDone),
    // Before the address changes: the mail goes to the old one.
    ...(await undoLink(acting, change, hadAddress, 'primary')),
    ...primaryChange(acting, user, row),
    touchUser(user.id, cx.now(), condition`version = ${user.version}`),
  ])
  return settle(cx, write)
}

/** Removes an address that is not the primary one. One write. */
export async function removeOwnAddress(
  cx: Context,
  { user, names }: OwnNames,
  login_id: string,
): Promise<NameChange> {
  const row = names.find(({ id, kind }) => id === login_id && kind === 'email')
  if (row === undefined || user === undefined) return 'unknown'
  if (row.is_primary === 1) return 'primary'
  const write = cx.db.write([
    demandUserAt(user, condition`not ${loginIdExists(login_id)}`),
    appendEvent(
      as(cx, { kind: 'user', id: user.id }),
      {
        type: 'user.login_id_removed',
        subject_id: user.id,
        data: { login_id, kind: row.kind },
      },
      loginIdExists(login_id),
    ),
    deleteLoginId(user.id, login_id),
    touchUser(user.id, cx.now(), condition`version = ${user.version}`),
  ])
  return settle(cx, write)
}

async function settle(cx: Context, write: Promise<unknown>): Promise<NameChange> {
  const answer = write.then(
    (): NameChange => 'done',
    (error: unknown): NameChange => {
      if (isAddressTaken(error)) return 'busy'
      throw error
    },
  )
  const change = await unlessRefused(answer, (): NameChange => 'busy')
  if (change === 'done') sendMails(cx)
  return change
}
