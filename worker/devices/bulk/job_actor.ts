// The actor of a job. A job goes on behind the answer, so its actor is looked at anew for each
// page: it has no more than the token had that started the job, and no more than it holds now. The
// job ends with the sign-in or the client by whose token it was started.
import { reachOfPeople } from '../../access/reach/reach.ts'
import { listHeldScopes } from '../../access/reach/reach_store.ts'
import { type Actor, type Context, carriedScopes, type Reach } from '../../context.ts'
import { findActorState, findTokenOrigin } from './job_store.ts'

type StoredActor = {
  kind: Actor['kind']
  id: string | null
  scopes: string[]
  acting: string[]
  client_id: string | null
  reach: Reach | null
  /** Absent: the job is of before it was kept. */
  token?: Actor['token'] | null
}

export function textOfActor({ actor, parties }: Context): string {
  const stored: StoredActor = {
    kind: actor.kind,
    id: actor.id,
    scopes: carriedScopes(actor),
    acting: [...(actor.acting ?? [])],
    client_id: parties.client_id,
    reach: actor.reach ?? null,
    token: actor.token ?? null,
  }
  return JSON.stringify(stored)
}

/**
 * The context in which a page of the job is worked, or null when its actor may change devices no
 * more. Round trips: 1 read.
 */
export async function contextOfJob(cx: Context, text: string): Promise<Context | null> {
  const stored = JSON.parse(text) as StoredActor
  const { kind, id, scopes, acting, client_id, token = null } = stored
  const parties = { ...cx.parties, client_id }
  if (kind === 'system' || id === null) {
    return kind === 'system' && cx.actor.kind === 'system' ? { ...cx, parties } : null
  }
  const {
    state: [state],
    client: [client],
    origin,
    subject,
    others,
  } = await cx.db.read({
    state: findActorState(kind, id),
    client: client_id === null ? null : findActorState('client', client_id),
    origin: token === null ? null : findTokenOrigin(kind, id, token),
    subject: kind === 'user' ? listHeldScopes(id, cx.now()) : null,
    others: Object.fromEntries(acting.map((one) => [one, listHeldScopes(one, cx.now())] as const)),
  })
  if (state?.is_active !== 1 || (token !== null && origin.length === 0)) return null
  if (client_id !== null && client?.is_active !== 1) return null
  const registered = (client?.scope ?? state.scope)?.split(' ')
  const left = scopes.filter(
    (one) => registered === undefined || registered.includes(one) || registered.includes('manage'),
  )
  const actor: Actor =
    kind === 'client'
      ? { kind, id, scopes: new Set(left) }
      : { kind, id, acting, ...reachOfPeople([subject, ...Object.values(others)], left) }
  return withinJob({ ...cx, parties, actor }, stored.reach)
}

/** The reach is that of now, as far as it was there when the job was started. */
function withinJob(cx: Context, before: Reach | null): Context | null {
  const { actor } = cx
  const isEverywhere = actor.scopes.has('devices:write') || actor.scopes.has('manage')
  if (isEverywhere && before === null) return cx
  const places = [
    ...(actor.places?.get('devices:write') ?? []),
    ...(actor.places?.get('manage') ?? []),
  ]
  const reach = isEverywhere
    ? (before ?? [])
    : before === null
      ? places
      : before.filter(({ group_id }) => places.some((one) => one.group_id === group_id))
  return reach.length === 0 ? null : { ...cx, actor: { ...actor, reach } }
}
