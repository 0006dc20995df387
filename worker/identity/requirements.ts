// Requirements of a person who is signed in: whatever is still missing before anything else goes
// on. Every door (test/doors.test.ts lists them) adds `requirementsOf` to the batch that it reads
// anyway, and leads to /continue while something is missing; whatever it writes then is conditional
// on `meetsRequirements`. Nothing else decides that a person may go on. Another kind is one entry
// of KINDS here, and a page in continue/continue_routes.ts. Beside the person it looks at how the
// session was begun, since a second factor is lacking in one browser and not in another.
import type { Context } from '../context.ts'
import { mac } from '../crypto.ts'
import {
  type Condition,
  condition,
  join,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../db/sql.ts'
import { DEFAULT_SETTINGS, PROFILE_FIELDS } from '../settings.ts'
import { listLackingConsents } from './consents/consent_store.ts'
import { factorIsDemanded, hasFactor } from './factors/factor_store.ts'
import { senderParameters } from './return_to.ts'
import { findSession, type LiveSession } from './sessions.ts'

/** A person at a door: one row, or none where nobody is there. */
export type PersonAtDoor = Statement<{ id: string; amr: string }>

/** The person to whom the cookie of a session belongs. */
export const standingOf = (cx: Context, cookie: string | undefined): PersonAtDoor =>
  sql`select user_id as id, amr from (${findSession(cx, cookie)})`

/** The person of a session that was read. */
export const standingIn = ({ user_id, amr }: Pick<LiveSession, 'user_id' | 'amr'>): PersonAtDoor =>
  sql`select ${user_id} as id, ${amr} as amr`

/** A person (an id, as a scalar; null for nobody) whom somebody names: nothing was proven here. */
export const namedPerson = (id: Scalar): PersonAtDoor => sql`select ${id} as id, '[]' as amr`

type Who = {
  person: Scalar
  /** RFC 8176, as JSON. */
  amr: Scalar
  /** A demand of a second factor, by the sender of the person. */
  demands: Condition
}

/** Statements of what lacks, one for each kind: each row has a `name`, '' where there is none. */
type Kind = (cx: Context, who: Who) => Statement<{ name: string }>

/** Kinds in the order in which they are asked. */
const KINDS = {
  /** A second factor that is demanded: `prove` one that is there, or `add` the first. */
  factor: (cx, { person, amr, demands }) =>
    sql`select case when ${hasFactor(person)} then 'prove' else 'add' end as name
      from user where id = ${person}
        and not exists (select 1 from json_each(${amr}) where value = 'mfa')
        and (${demands} or ${factorIsDemanded(cx, person)})`,
  /** An operator said that the password has to be changed. */
  password: (_cx, { person }) =>
    sql`select '' as name from user
      where id = ${person} and must_change_password = 1 and password is not null`,
  /** An address that is not proven, where the setting demands proven ones. */
  verify_address: (_cx, { person }) =>
    sql`select '' as name from user where id = ${person} and email_verified = 0 and email <> ''
      and coalesce((select value from setting where name = 'require_verified_address'),
        ${JSON.stringify(DEFAULT_SETTINGS.require_verified_address)}) = 'true'`,
  /**
   * The date of birth, where it is demanded and says who may decide about texts (self_consent_age):
   * so it is asked before them.
   */
  age: (_cx, who) =>
    sql`select name from (${listLackingFields(who)}) where name = 'birthdate' and ${ageMatters()}`,
  /** Required texts; the name is the key of the consent. */
  consent: (cx, { person }) =>
    sql`select name from (${listLackingConsents(cx, person)}) where ${person} is not null`,
  /** A way in that an owner of the place renewed, of which the person is told. */
  way_in: (_cx, { person }) =>
    sql`select '' as name from place_account
      where user_id = ${person} and renewed_at is not null and seen_at is null`,
  /** Fields of the profile that the setting names; the name is that of the field. */
  profile: (_cx, who) => listLackingFields(who),
} as const satisfies Readonly<Record<string, Kind>>

function listLackingFields({ person }: Who): Statement<{ name: string }> {
  return sql`select field.value as name from user join json_each(${profileFields()}) field
      where user.id = ${person} and field.value in (${list(PROFILE_FIELDS)})
        and coalesce(case field.value when 'name' then user.name
          else json_extract(user.profile, '$.' || field.value) end, '') = ''`
}

/** A condition: somebody can be too young to decide alone. */
function ageMatters(): Condition {
  return condition`exists (select 1 from setting, json_tree(setting.value) age
    where setting.name = 'self_consent_age' and age.type = 'integer' and age.atom > 0)`
}

/** A condition: the date of birth of a new account is asked before texts. */
export const asksAgeFirst = (): Condition =>
  condition`(${ageMatters()} and exists (
    select 1 from json_each(${profileFields()}) where value = 'birthdate'))`

export type RequirementKind = keyof typeof KINDS

// The statement reads the setting itself, so that it costs no round trip, cold or warm.
const profileFields = (): Scalar =>
  scalar`coalesce((select value from setting where name = 'required_profile_fields'),
    ${JSON.stringify(DEFAULT_SETTINGS.required_profile_fields)})`

/** Something that a person lacks. */
export type Requirement = { kind: RequirementKind; name: string }

/** Nobody who sent the person demands more than all do. */
const NOTHING_MORE = condition`false`

/**
 * All that the person lacks, in no order. `demandsFactor`: whether whoever sent the person demands
 * a second factor, beside those who demand one everywhere.
 */
export function requirementsOf(
  cx: Context,
  standing: PersonAtDoor,
  demandsFactor: Condition = NOTHING_MORE,
): Statement<Requirement> {
  const who = {
    person: scalar`(select id from person)`,
    amr: scalar`(select amr from person)`,
    demands: demandsFactor,
  }
  const kinds = Object.entries<Kind>(KINDS).map(
    ([kind, lacking]) => sql`select ${kind} as kind, name from (${lacking(cx, who)})`,
  )
  return sql`with person as materialized (${standing}) ${join(kinds, ' union all ')}`
}

/** A condition: the person lacks nothing. */
export const meetsRequirements = (
  cx: Context,
  standing: PersonAtDoor,
  demandsFactor?: Condition,
): Condition => condition`not exists (${requirementsOf(cx, standing, demandsFactor)})`

const ORDER = Object.keys(KINDS)
const FIELDS: readonly string[] = PROFILE_FIELDS

/** The order in which the missing things are asked. Pure. */
const inOrder = (lacking: readonly Requirement[]): readonly Requirement[] =>
  lacking.toSorted(
    (a, b) =>
      ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) ||
      FIELDS.indexOf(a.name) - FIELDS.indexOf(b.name) ||
      (a.name < b.name ? -1 : 1),
  )

/** The next thing that is asked, with all names of its kind; null where nothing is missing. */
export function firstRequirement(
  lacking: readonly Requirement[],
): { kind: RequirementKind; names: readonly string[] } | null {
  const ordered = inOrder(lacking)
  const [first] = ordered
  if (first === undefined) return null
  const names = ordered.filter(({ kind }) => kind === first.kind).map(({ name }) => name)
  return { kind: first.kind, names }
}

/**
 * The address of the page that asks for what is missing and then goes on to `return_to`.
 * `form_target`: where the redirects behind its forms end (for its CSP); `sender`: the application
 * that sent the person; `demandsFactor`: it demands a second factor.
 */
export function continuePath(
  cx: Context,
  return_to: string,
  {
    form_target,
    sender,
    demandsFactor = false,
    ui_locales,
  }: {
    form_target?: string
    sender?: string
    demandsFactor?: boolean
    ui_locales?: readonly string[] | undefined
  } = {},
): string {
  const parameters = new URLSearchParams({
    return_to,
    ...(form_target === undefined
      ? {}
      : { form_target, form_target_mac: mac(cx, 'form target', form_target) }),
    ...(sender === undefined ? {} : senderParameters(cx, return_to, sender)),
    ...(demandsFactor ? { factor_mac: mac(cx, 'factor demand', return_to) } : {}),
    ...(ui_locales === undefined ? {} : { ui_locales: ui_locales.join(' ') }),
  })
  return `/continue?${parameters}`
}
