// Commands about devices, groups, grants and jobs: one table, each with the use case of its
// operation of /v1.
import { existsSync, readFileSync } from 'node:fs'
import {
  createGrant,
  describeGrant,
  grantInput,
  listGrants,
  removeGrant,
} from '../../access/grants.ts'
import { addMember, removeMember } from '../../access/group_members.ts'
import {
  changeGroup,
  createGroup,
  describeGroup,
  getGroup,
  groupInput,
  listGroups,
  removeGroup,
} from '../../access/groups.ts'
import type { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import {
  cancelJob,
  getJob,
  listJobs,
  listResults,
  startJob,
  tryJob,
  undoJob,
} from '../../devices/bulk/device_jobs.ts'
import { jobInput } from '../../devices/bulk/job_schema.ts'
import { workOnJobs } from '../../devices/bulk/job_work.ts'
import {
  authorityInput,
  changeAuthority,
  createAuthority,
  describeAuthority,
  listAuthorities,
  removeAuthority,
} from '../../devices/certificates/authorities.ts'
import { describeDevice, devicePatch, groupsOf } from '../../devices/device_schema.ts'
import { changeDevice, getDevice } from '../../devices/devices.ts'
import { devicesQuery, listDevices, METADATA_PARAMETER } from '../../devices/listing/device_list.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

export type RegistryOptions = {
  filter?: string[] | undefined
  limit?: string | undefined
  cursor?: string | undefined
  tag?: string[] | undefined
  untag?: string[] | undefined
  from?: string | undefined
  to?: string | undefined
  kind?: string | undefined
  name?: string | undefined
  parent?: string | undefined
  type?: string | undefined
  group?: string[] | undefined
  'dry-run'?: boolean | undefined
}

type Command = (
  cx: Context,
  words: readonly string[],
  options: RegistryOptions,
) => Promise<CommandAnswer>

const COMMANDS: Readonly<Record<string, Command>> = {
  'device list': async (cx, _, options) =>
    paged(
      await listDevices(
        cx,
        judged(devicesQuery, { ...filterOf(options, DEVICE_FILTERS), ...pageIn(options) }),
      ),
    ),
  'device get': async (cx, words) => shown(describeDevice(await getDevice(cx, idIn(words)))),
  'device suspend': (cx, words) => changed(cx, words, { status: 'suspended' }),
  'device activate': (cx, words) => changed(cx, words, { status: 'active' }),
  async 'device tag'(cx, words, { tag = [], untag = [] }) {
    const device = await getDevice(cx, idIn(words))
    const tags = (JSON.parse(device.tags) as string[]).filter((one) => !untag.includes(one))
    return changed(cx, words, { tags: [...new Set([...tags, ...tag])] })
  },
  async 'device move'(cx, words, { from, to }) {
    const groups = groupsOf(await getDevice(cx, idIn(words))).filter((one) => one !== from)
    return changed(cx, words, { groups: [...new Set([...groups, said(to, '--to GROUP')])] })
  },
  'device-ca list': async (cx, _, options) => paged(await listAuthorities(cx, pageIn(options))),
  async 'device-ca create'(cx, words, { type, group }) {
    const [name, file] = pairIn(words)
    if (!existsSync(file)) throw new CannotStart(`There is no file ${file}.`)
    const certificate = readFileSync(file, 'utf8')
    const input = { name, certificate, device_type: type, group: group?.[0] }
    return shown(describeAuthority(await createAuthority(cx, judged(authorityInput, input))))
  },
  'device-ca disable': async (cx, words) =>
    shown(describeAuthority(await changeAuthority(cx, idIn(words), { enabled: false }, null))),
  'device-ca enable': async (cx, words) =>
    shown(describeAuthority(await changeAuthority(cx, idIn(words), { enabled: true }, null))),
  async 'device-ca delete'(cx, words) {
    await removeAuthority(cx, idIn(words), null)
    return done
  },
  'group list': async (cx, _, options) => paged(await listGroups(cx, pageIn(options))),
  'group get': async (cx, words) => shown(describeGroup(await getGroup(cx, idIn(words)))),
  async 'group create'(cx, words, { kind, name, parent }) {
    const input = { id: idIn(words), kind, name, parent_id: parent }
    return shown(describeGroup(await createGroup(cx, judged(groupInput, input))))
  },
  'group move': async (cx, words, { to }) =>
    shown(
      describeGroup(
        await changeGroup(cx, idIn(words), { parent_id: said(to, '--to GROUP') }, null),
      ),
    ),
  async 'group delete'(cx, words) {
    await removeGroup(cx, idIn(words), null)
    return done
  },
  async 'group add'(cx, words) {
    const [group, member] = pairIn(words)
    return shown((await addMember(cx, group, member)).member)
  },
  async 'group remove'(cx, words) {
    const [group, member] = pairIn(words)
    await removeMember(cx, group, member)
    return done
  },
  'grant list': async (cx, _, options) =>
    paged(await listGrants(cx, { ...pageIn(options), ...filterOf(options, GRANT_FILTERS) })),
  async 'grant create'(cx, words) {
    const [subject, role, object, ...surplus] = words
    if (object === undefined || surplus.length > 0)
      throw new CannotStart('Say SUBJECT ROLE OBJECT.')
    return shown(
      describeGrant(await createGrant(cx, judged(grantInput, { subject, role, object }))),
    )
  },
  async 'grant delete'(cx, words) {
    await removeGrant(cx, idIn(words), null)
    return done
  },
  async 'job create'(cx, words, options) {
    const { tag, from, to } = options
    const change = {
      action: idIn(words),
      ...(tag === undefined ? {} : { tags: tag }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    }
    const input = judged(jobInput, { filter: filterOf(options, DEVICE_FILTERS), change })
    return shown(await (options['dry-run'] === true ? tryJob(cx, input) : startJob(cx, input)))
  },
  async 'job run'(cx, words) {
    if (words.length > 0) throw new CannotStart(`"${words.join(' ')}" is not understood here.`)
    await workOnJobs(cx)
    return done
  },
  'job list': async (cx, _, options) => paged(await listJobs(cx, pageIn(options))),
  'job get': async (cx, words) => shown(await getJob(cx, idIn(words))),
  'job results': async (cx, words, options) =>
    paged(await listResults(cx, idIn(words), pageIn(options))),
  'job cancel': async (cx, words) => shown(await cancelJob(cx, idIn(words))),
  'job undo': async (cx, words) => shown(await undoJob(cx, idIn(words))),
}

export const registryCommand = (noun: string | undefined, verb: string | undefined) =>
  COMMANDS[`${noun} ${verb}`]

const done: CommandAnswer = { text: 'done', json: {} }

/** The members of an item that say something, as words. */
const membersOf = (item: object): [name: string, value: string][] =>
  Object.entries(item).flatMap(([name, value]: [string, unknown]) => {
    const isPlain = Array.isArray(value) && value.every((one) => typeof one !== 'object')
    const text = isPlain
      ? value.join(',')
      : typeof value === 'object' && value !== null
        ? JSON.stringify(value)
        : String(value ?? '')
    return ['', '{}', '[]'].includes(text) ? [] : [[name, text] as const satisfies [string, string]]
  })

const shown = (item: object): CommandAnswer => ({
  text: membersOf(item)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n'),
  json: item,
})

/** A page: a line for each item, then how to go on. */
const paged = (page: { items: readonly object[]; next_cursor: string | null }): CommandAnswer => ({
  text: [
    ...page.items.map((item) =>
      membersOf(item)
        .map(([name, value]) => `${name}=${value}`)
        .join('  '),
    ),
    ...(page.next_cursor === null ? [] : [`more: --cursor ${page.next_cursor}`]),
  ].join('\n'),
  json: page,
})

async function changed(
  cx: Context,
  words: readonly string[],
  patch: z.input<typeof devicePatch>,
): Promise<CommandAnswer> {
  return shown(
    describeDevice(await changeDevice(cx, idIn(words), judged(devicePatch, patch), null)),
  )
}

function idIn(words: readonly string[]): string {
  const [first, ...surplus] = words
  if (first === undefined || surplus.length > 0) {
    throw new CannotStart('Say one of them: its name comes behind the command.')
  }
  return first
}

function pairIn([group, member, ...surplus]: readonly string[]): [string, string] {
  if (group === undefined || member === undefined || surplus.length > 0) {
    throw new CannotStart('Say GROUP and MEMBER.')
  }
  return [group, member]
}

function said(value: string | undefined, option: string): string {
  if (value === undefined) throw new CannotStart(`Say ${option}.`)
  return value
}

const GRANT_FILTERS = ['subject', 'role', 'object']
const PAGE_MEMBERS = ['limit', 'cursor']
export const DEVICE_FILTERS = [
  ...Object.keys(devicesQuery.shape).filter((name) => !PAGE_MEMBERS.includes(name)),
  METADATA_PARAMETER,
]

/**
 * Reads `--filter NAME=VALUE`, as often as there are filters. A name that is not in `known` is
 * refused: to pass over it would find more than was asked for. One that ends with a dot begins
 * names.
 */
export const filterOf = (
  { filter = [] }: Pick<RegistryOptions, 'filter'>,
  known: readonly string[],
): Record<string, string> =>
  Object.fromEntries(
    filter.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new CannotStart(`--filter ${text} is no NAME=VALUE.`)
      const name = text.slice(0, at)
      if (!known.some((one) => (one.endsWith('.') ? name.startsWith(one) : name === one))) {
        throw new CannotStart(`--filter ${name} is no filter. There are: ${known.join(' ')}`)
      }
      return [name, text.slice(at + 1)]
    }),
  )

function pageIn({ limit = '50', cursor }: RegistryOptions) {
  const number = Number(limit)
  if (!(Number.isInteger(number) && number >= 1 && number <= 200)) {
    throw new CannotStart('--limit is a number from 1 to 200.')
  }
  return { limit: number, ...(cursor === undefined ? {} : { cursor }) }
}

export function judged<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const found = schema.safeParse(value)
  if (found.success) return found.data
  const faults = found.error.issues.map((one) => `  ${one.path.join('.')}: ${one.message}`)
  throw new CannotStart(`This cannot be done:\n${faults.join('\n')}`)
}
