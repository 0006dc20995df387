// Templates of access rules: rules whose topic may have variables, and the filling in of these. The
// worker fills them in when it makes a token; mProxy does so with the rules of a device's type,
// where a token names them by reference, from the claims of that token alone.

import { type AclRule, orderAcl, parseRule } from './acl.ts'
import { isTopicLevel } from './topic_filter.ts'

/** Value of a variable. `any`: every value of a set. `missing`: no value that may be used. */
export type Value = { readonly is: string } | 'any' | 'missing'
export type Bind = (variable: string) => Value

export const GROUP_ID = 'group.id'
/** The nearest group of kind `site`, at the group or above it. */
export const SITE_ID = 'site.id'
export const DEVICE_ID = 'device.id'
export const SUBJECT_ID = 'subject.id'
export const CLIENT_ID = 'clientid'
export const METADATA = 'device.metadata.'

export const VARIABLE = /\$\{([^}]*)\}/g

export const variablesOf = (text: string): string[] =>
  [...text.matchAll(VARIABLE)].map((match) => match[1] ?? '')

export type Filled =
  | { readonly rule: AclRule; readonly widened: string | null }
  | { readonly void: string; readonly fatal: boolean }

/**
 * Fills in the variables of a template. `any` becomes `+` where the variable is a whole level. A
 * value may be missing, may be no topic level, or may be `any` within a level. Then an allowance is
 * void. A denial must neither be lost nor become narrower, so that level becomes `+`, and `widened`
 * names why. `fatal`: a denial that cannot be expressed.
 */
export function fillTemplate(template: AclRule, bind: Bind): Filled {
  let problem: string | null = null
  const levels = template.topic.split('/').map((level) => {
    let filled = level
    for (const variable of variablesOf(level)) {
      const value = bind(variable)
      if (value === 'any' && level === `\${${variable}}`) return '+'
      if (value === 'any') problem = `${variable} stands for many within a level`
      else if (value === 'missing') problem = `${variable} is missing`
      else if (!isTopicLevel(value.is)) problem = `${variable} is not one topic level`
      else {
        filled = filled.replaceAll(`\${${variable}}`, () => value.is)
        continue
      }
      return '+'
    }
    return filled
  })
  if (problem === null) {
    const read = parseRule({ ...template, topic: levels.join('/') })
    if ('rule' in read) return { rule: read.rule, widened: null }
    problem = `the rule${read.fault}`
  }
  if (template.permission === 'allow') return { void: problem, fatal: false }
  for (const topic of [levels.join('/'), template.topic.replaceAll(/[^/]*\$\{[^/]*/g, '+')]) {
    const read = parseRule({ ...template, topic })
    if ('rule' in read) return { rule: read.rule, widened: problem }
  }
  return { void: problem, fatal: true }
}

// --- by reference -----------------------------------------------------------------------------

/** Variables whose values a token by reference carries. */
const REFERENCED: readonly string[] = [DEVICE_ID, GROUP_ID, SITE_ID, CLIENT_ID]

/** Most templates of a type. */
const POLICY_MAX = 64

/** Names a variable that no token by reference has a value for, or null. */
export const unreferenced = (topic: string): string | null =>
  variablesOf(topic).find((variable) => !REFERENCED.includes(variable)) ?? null

export const namesPlace = (topic: string): boolean =>
  variablesOf(topic).some((variable) => variable === GROUP_ID || variable === SITE_ID)

/** A group of the device, and the nearest site at the group or above it. */
export type PolicyPlace = { readonly group: string; readonly site: string | null }

/** The signed claims of a token by reference that rules hang on. */
export type PolicyClaims = {
  readonly device: string
  readonly client_id: string | null
  readonly places: readonly PolicyPlace[]
}

/** Reads the text of a policy document: a JSON array of templates, as a type has them. */
export function parsePolicy(text: string): readonly AclRule[] | null {
  let templates: unknown
  try {
    templates = JSON.parse(text)
  } catch {
    return null
  }
  if (!Array.isArray(templates) || templates.length > POLICY_MAX) return null
  const isUnderstood = templates.every((template: unknown) => {
    const { topic } = (template ?? {}) as { topic?: unknown }
    if (typeof topic !== 'string' || unreferenced(topic) !== null) return false
    const plain = { ...(template as object), topic: topic.replaceAll(VARIABLE, 'x') }
    return 'rule' in parseRule(plain)
  })
  return isUnderstood ? templates : null
}

/**
 * The rules of a device by its type's templates: the same as the claim `acl` of its token would
 * have given. Null when a denial cannot be expressed, so that no rule may be given.
 */
export function fillPolicy(
  templates: readonly AclRule[],
  { device, client_id, places }: PolicyClaims,
): AclRule[] | null {
  const found: AclRule[] = []
  const valueFor = (value: string | null | undefined): Value =>
    value == null ? 'missing' : { is: value }
  for (const template of templates) {
    const where = namesPlace(template.topic) && places.length > 0 ? places : [undefined]
    for (const place of where) {
      const filled = fillTemplate(template, (variable) => {
        if (variable === DEVICE_ID) return { is: device }
        if (variable === GROUP_ID) return valueFor(place?.group)
        if (variable === SITE_ID) return valueFor(place?.site)
        return variable === CLIENT_ID ? valueFor(client_id) : 'missing'
      })
      if ('rule' in filled) found.push(filled.rule)
      else if (filled.fatal) return null
    }
  }
  return orderAcl(found)
}
