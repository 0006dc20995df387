// Pages /places and /places/{id}: all that a person has in places, and a place as its owner runs
// it. Plain forms that work without script. An id of another place is answered as one that nothing
// has.
import { Hono } from 'hono'
import { leavePlace } from '../../access/places/own_places.ts'
import { ID_PATTERN } from '../../access/principals.ts'
import type { Context } from '../../context.ts'
import { OAuthError, Problem } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import { assertAction, assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { readOwnFactors } from '../../identity/factors/own_factors.ts'
import { continuePath, firstRequirement } from '../../identity/requirements.ts'
import { type LiveSession, readSessionCookie } from '../../identity/sessions.ts'
import { english } from '../../messages/messages.ts'
import {
  endPage,
  offerPlacePage,
  PLACES_PATH,
  placeAddress,
  placePage,
  placesPage,
  REFUSED_TEXTS,
  wayInPage,
} from '../../pages/account/places_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import { changePlace, FRESH_ACTIONS, PLACE_ACTIONS } from './place_changes.ts'
import {
  nameOfPlace,
  PLACE_LISTS,
  type PlaceCursors,
  type PlaceView,
  viewPlace,
  viewPlaces,
} from './place_view.ts'
import { type PlaceVisitor, visitPlace } from './place_visitor.ts'

/** Database round trips: /places 2, its answer 2 or 3; /places/{id} 9, its answer those of /v1. */
export function placesRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get(PLACES_PATH, page, async (c) => {
      const found = await signedIn(c, PLACES_PATH)
      return found instanceof Response ? found : showAll(c, found.session)
    })
    .post(PLACES_PATH, page, async (c) => {
      const form = await readForm(c)
      assertCsrf(c, form)
      assertAction(form, ['leave'])
      const found = await signedIn(c, PLACES_PATH)
      if (found instanceof Response) return found
      const { cx } = c.var
      if (await leavePlace(cx, found.session.user_id, form.get('id') ?? '')) {
        return c.redirect(PLACES_PATH, 303)
      }
      logRefusal(cx, new Problem('conflict', 'the person cannot leave the place', []))
      return showAll(c, found.session, (await pageMessages(c))('places.cannot_leave'))
    })
    .get(`${PLACES_PATH}/:id`, page, async (c) => {
      const path = `${PLACES_PATH}/${idOf(c)}`
      const found = await signedIn(c, path)
      if (found instanceof Response) return found
      const visitor = await visitorOf(c.var.cx, found.session, idOf(c))
      return showOne(c, found.session, visitor)
    })
    .post(`${PLACES_PATH}/:id`, page, async (c) => {
      const form = await readForm(c)
      assertCsrf(c, form)
      const path = `${PLACES_PATH}/${idOf(c)}`
      const found = await signedIn(c, path)
      if (found instanceof Response) return found
      const action = assertAction(form, PLACE_ACTIONS)
      const { session, isFresh } = found
      if (FRESH_ACTIONS.includes(action) && !isFresh) return c.redirect(loginPath(path), 303)
      const visitor = await visitorOf(c.var.cx, session, idOf(c))
      return change(c, session, visitor, action, form)
    })
}

const loginPath = (path: string) => `/login?${new URLSearchParams({ return_to: path })}`

const noPlace = () =>
  new OAuthError('invalid_request', {
    description: english('places.gone'),
    reason: 'not_found',
    status: 404,
  })

/** Throws OAuthError for a path that can be no place. */
function idOf(c: Http): string {
  const id = c.req.param('id') ?? ''
  if (!ID_PATTERN.test(id)) throw noPlace()
  return id
}

/** The person, who lacks nothing; else the way there. One round trip. */
async function signedIn(
  c: Http,
  path: string,
): Promise<{ session: LiveSession; isFresh: boolean } | Response> {
  const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
  if (own === null) return c.redirect(loginPath(path), 303)
  if (firstRequirement(own.lacking) !== null) return c.redirect(continuePath(c.var.cx, path), 303)
  return own
}

async function visitorOf(cx: Context, session: LiveSession, id: string): Promise<PlaceVisitor> {
  const visitor = await visitPlace(cx, session.user_id, id)
  if (visitor === null) throw noPlace()
  return visitor
}

async function showAll(c: Http, { user_id }: LiveSession, error?: string): Promise<Response> {
  const { cx } = c.var
  const places = await viewPlaces(cx, user_id)
  const values = { ...places, csrf: csrfToken(c) }
  const shown = { ...values, ...(error === undefined ? {} : { error }) }
  return c.html(placesPage(shown, await pageMessages(c)), error === undefined ? 200 : 409)
}

/** Where each list of the page begins, as the address says. */
function cursorsOf(c: Http): PlaceCursors {
  const query = readQuery(c)
  const cursors = PLACE_LISTS.map((list) => [list, query.get(list)] as const)
  return Object.fromEntries(cursors.filter(([, cursor]) => cursor !== undefined))
}

async function showOne(
  c: Http,
  session: LiveSession,
  visitor: PlaceVisitor,
  refused?: Problem,
): Promise<Response> {
  const id = idOf(c)
  const cursors = cursorsOf(c)
  const view = await viewPlace(c.var.cx, visitor, id, cursors)
  const m = await pageMessages(c, { path: placeAddress(id, cursors) })
  const type = refused?.type ?? ''
  const error = Object.hasOwn(REFUSED_TEXTS, type)
    ? m(REFUSED_TEXTS[type as keyof typeof REFUSED_TEXTS])
    : undefined
  const values = { ...valuesOf(view, session), cursors, csrf: csrfToken(c) }
  const status = refused?.status === 403 ? 403 : refused === undefined ? 200 : 409
  return c.html(placePage({ ...values, ...(error === undefined ? {} : { error }) }, m), status)
}

function valuesOf(view: PlaceView, session: LiveSession) {
  const roleOf = (one: PlaceView['grants'][number]) => ({
    grant: one.id,
    text: one.description || one.role,
    object: one.object_id === view.id ? null : (one.object_name ?? one.object_id),
    expires_at: one.expires_at,
  })
  const people = view.people.map(({ id, label, name }) => ({
    id,
    label,
    name,
    isSelf: id === session.user_id,
    memberships: view.memberships
      .filter((one) => one.id === id)
      .map(({ group_name, expires_at }) => ({ group: group_name, expires_at })),
    roles: view.grants.filter(({ subject_id }) => subject_id === id).map(roleOf),
    canRenew: view.accounts.some((one) => one.user_id === id && one.can_renew),
  }))
  return {
    ...view,
    people,
    others: view.others.map((one) => ({ ...roleOf(one), subject: one.subject_id })),
    devices: view.devices.map(({ id, name, type, status, last_seen_at }) => ({
      id,
      name: name ?? id,
      type,
      status,
      last_seen_at,
    })),
    roles: view.roles.map(({ name, description }) => ({ name, text: description || name })),
  }
}

async function change(
  c: Http,
  session: LiveSession,
  visitor: PlaceVisitor,
  action: (typeof PLACE_ACTIONS)[number],
  form: Form,
): Promise<Response> {
  const { cx } = c.var
  const id = idOf(c)
  const here = placeAddress(id, cursorsOf(c))
  const m = await pageMessages(c, { path: here })
  try {
    const done = await changePlace(visitor, id, action, form, m.locale)
    if (done.what === 'way_in') {
      const { user_name, url, expires_at } = done.way
      return c.html(wayInPage({ id, user_name: user_name ?? '', url: url ?? '', expires_at }, m))
    }
    if (done.what === 'endings') {
      return c.html(endPage({ ...done, here, csrf: csrfToken(c) }, m))
    }
    if (done.what === 'numbers') {
      const name = await nameOfPlace(cx, id)
      const { to, numbers } = done
      return c.html(offerPlacePage({ id, name, to, numbers, csrf: csrfToken(c) }, m))
    }
    return c.redirect(here, 303)
  } catch (error) {
    if (!(error instanceof Problem) || !Object.hasOwn(REFUSED_TEXTS, error.type)) throw error
    logRefusal(cx, error)
    return showOne(c, session, visitor, error)
  }
}
