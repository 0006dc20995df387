// Templates of access rules, in roles and device types: rules of the acl claim whose topic may have
// variables. They are checked here when they are saved. policy/templates.ts fills them in when a
// token is made; rights.ts decides to which subject a template applies.
import { type AclRule, parseRule } from '../../policy/acl.ts'
import {
  CLIENT_ID,
  DEVICE_ID,
  GROUP_ID,
  METADATA,
  SITE_ID,
  SUBJECT_ID,
  VARIABLE,
  variablesOf,
} from '../../policy/templates.ts'
import { z } from '../api.ts'

export type AclTemplate = AclRule

const METADATA_NAME = /^[A-Za-z0-9_.-]{1,64}$/
const MAX_TEMPLATES = 64
const MAX_TOPIC = 1024

const isKnown = (variable: string): boolean =>
  [GROUP_ID, SITE_ID, DEVICE_ID, SUBJECT_ID, CLIENT_ID].includes(variable) ||
  (variable.startsWith(METADATA) && METADATA_NAME.test(variable.slice(METADATA.length)))

/** True when the variable is only a part of a level, so that no wildcard can stand for it. */
export const isPartOfLevel = (topic: string, variable: string): boolean =>
  topic
    .split('/')
    .some((level) => variablesOf(level).includes(variable) && level !== `\${${variable}}`)

/**
 * Fault of a template and its remedy, or null. The text begins with the member that it is about.
 */
export function templateFault(template: unknown): string | null {
  const topic = (template as { topic?: unknown } | null)?.topic
  if (typeof topic !== 'string') return ruleFault(template)
  if (topic.length > MAX_TOPIC) return `.topic is longer than ${MAX_TOPIC} characters; shorten it`
  for (const variable of variablesOf(topic)) {
    if (!isKnown(variable)) {
      return (
        `.topic has the unknown variable "${variable.slice(0, 80)}"; the variables are group.id, ` +
        'site.id, device.id, subject.id, clientid and device.metadata.NAME'
      )
    }
  }
  if (topic.replaceAll(VARIABLE, '').includes('${')) {
    return '.topic has a variable that is not closed; write it as ${group.id}'
  }
  // A denial is widened by `+` where a value is missing, and `+` reaches no first level with `$`.
  const first = topic.split('/')[0] ?? ''
  if (first.startsWith('$') && !first.startsWith('${') && variablesOf(first).length > 0) {
    return '.topic has a variable in a first level that begins with "$"; spell that level out'
  }
  return ruleFault({ ...(template as object), topic: topic.replaceAll(VARIABLE, 'x') })
}

function ruleFault(rule: unknown): string | null {
  const read = parseRule(rule)
  if (!('fault' in read)) return null
  if (read.fault === '.topic is not a topic filter') {
    return `${read.fault}; wildcards stand alone in their level and # comes last, as in sites/+/state`
  }
  if (read.fault.startsWith('.topic begins with "eq "')) {
    return `${read.fault}, which some brokers read as an instruction; leave it out`
  }
  return read.fault
}

/** The `acl` member of a role or a device type. */
export const aclSchema = z
  .array(
    z
      .strictObject({
        permission: z.enum(['allow', 'deny']),
        action: z.enum(['publish', 'subscribe', 'all']),
        topic: z.string().openapi({ example: 'sites/${group.id}/devices/+/state' }),
        qos: z
          .array(z.union([z.literal(0), z.literal(1), z.literal(2)]))
          .min(1)
          .max(3)
          .optional(),
        retain: z.boolean().optional(),
      })
      .openapi('AclTemplate'),
  )
  .max(MAX_TEMPLATES, `at most ${MAX_TEMPLATES} rules`)
  .superRefine((templates, context) => {
    for (const [i, template] of templates.entries()) {
      const fault = templateFault(template)
      if (fault !== null) {
        context.addIssue({ code: 'custom', path: [i, 'topic'], message: `acl[${i}]${fault}` })
      }
    }
  })

/**
 * Form in which templates are stored: members in one order, so that equal templates are equal text.
 */
export const storedAcl = (templates: readonly z.infer<typeof aclSchema>[number][]): string =>
  JSON.stringify(
    templates.map(({ permission, action, topic, qos, retain }) => ({
      permission,
      action,
      topic,
      ...(qos === undefined ? {} : { qos: [...new Set(qos)].sort() }),
      ...(retain === undefined ? {} : { retain }),
    })),
  )

/** Reads a stored list. Null when it, or any rule in it, is not understood. */
export function readStoredAcl(stored: string): AclTemplate[] | null {
  try {
    const templates: unknown = JSON.parse(stored)
    if (!Array.isArray(templates)) return null
    return templates.every((one) => templateFault(one) === null) ? templates : null
  } catch {
    return null
  }
}
