// `allauth mproxy learn`: templates for device types, made of what devices did in shadow mode.
// Reads the file that mProxy keeps in STATE_DIR, asks the registry for type and places of each
// device, and changes nothing: a person reads the templates and applies them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DeviceFacts,
  type LearnedTemplate,
  learnTemplates,
} from '../../../policy/learned_templates.ts'
import { parseShadowFile, type Seen, SHADOW_FILE } from '../../../policy/shadow_file.ts'
import { findOwnDevice, listOwnGroups } from '../../access/rights_store.ts'
import type { Context } from '../../context.ts'
import { scalar } from '../../db/sql.ts'
import { stateFolderOf } from '../broker/host_folder.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

export async function learn(
  cx: Context,
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<CommandAnswer> {
  const { dropped, seen } = readFile(file, stateFolderOf(env))
  const bySubject = Map.groupBy(seen, ({ sub }) => sub)
  const facts = new Map<string, DeviceFacts>()
  for (const sub of bySubject.keys()) {
    const found = await findFacts(cx, sub)
    if (found !== null) facts.set(sub, found)
  }
  const byType = Map.groupBy(
    seen.filter(({ sub }) => facts.has(sub)),
    ({ sub }) => facts.get(sub)?.type ?? '',
  )
  const types = [...byType].sort().map(([type, of]) => ({
    type,
    devices: new Set(of.map(({ sub }) => sub)).size,
    templates: learnTemplates(of, (sub) => facts.get(sub) as DeviceFacts),
  }))
  const others = [...bySubject.keys()].filter((sub) => !facts.has(sub)).sort()
  return {
    text: describe(types, others, dropped),
    json: { types, others, dropped },
  }
}

function readFile(
  file: string | undefined,
  stateFolder: string,
): { dropped: number; seen: readonly Seen[] } {
  const path = file ?? join(stateFolder, SHADOW_FILE)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new CannotStart(
      `${path} cannot be read: ${String(error)}. mProxy writes it with MQTT_ACL_MODE=shadow into its ` +
        'STATE_DIR: set that here too, or name the file.',
    )
  }
  const content = parseShadowFile(text)
  if (content === null) throw new CannotStart(`${path} is no record of shadow mode.`)
  return content
}

async function findFacts(cx: Context, sub: string): Promise<DeviceFacts | null> {
  const who = scalar`${sub}`
  const {
    device: [device],
    groups,
  } = await cx.db.read({ device: findOwnDevice(who), groups: listOwnGroups(who) })
  if (device === undefined) return null
  const { id, type, mqtt_client_id, metadata } = device
  return {
    id,
    type,
    mqtt_client_id,
    places: groups.map(({ group_id: group, site }) => ({ group, site })),
    metadata: JSON.parse(metadata) as Record<string, unknown>,
  }
}

type Learned = { type: string; devices: number; templates: readonly LearnedTemplate[] }

/** A part of a blueprint. JSON strings are YAML too. */
function describe(types: readonly Learned[], others: readonly string[], dropped: number): string {
  const lines = ['# Made of what devices did in shadow mode. Read it before it is applied.']
  if (dropped > 0) lines.push(`# ${dropped} observations found no room, so topics may be missing.`)
  lines.push(types.length === 0 ? 'device_types: []' : 'device_types:')
  for (const { type, devices, templates } of types) {
    lines.push(`  - name: ${quoted(type)} # ${devices} devices`, '    acl:')
    for (const template of templates) {
      const { permission, action, topic, retain } = template.rule
      const more = retain === undefined ? '' : `, retain: ${retain}`
      lines.push(
        `      - { permission: ${permission}, action: ${action}, topic: ${quoted(topic)}${more} } # ${remark(template, devices)}`,
      )
    }
  }
  for (const sub of others) lines.push(`# no device of the registry: ${quoted(sub)}`)
  return lines.join('\n')
}

/** Text that a device chose: no sign of it moves a cursor, hides text or ends a line. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

const remark = ({ devices, denied, widened, rule }: LearnedTemplate, all: number): string =>
  [
    `${devices} devices`,
    // The template would be for all of them.
    ...(devices === 1 && all > 1 ? ['by one device alone: is it meant?'] : []),
    ...(denied ? ['refused by the rules of today'] : []),
    ...(widened ? ['a level with many values became +'] : []),
    ...(/^[+#]/.test(rule.topic) ? ['reaches the topics of others: name them'] : []),
  ].join('; ')
