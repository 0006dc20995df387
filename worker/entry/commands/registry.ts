// Commands about devices, types, groups, grants and jobs, each the use case of its operation of
// /v1; those of access and getting in are in files of their own. One table has them all.
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
import { listCredentials } from '../../devices/credentials.ts'
import { describeDevice, devicePatch, groupsOf } from '../../devices/device_schema.ts'
import {
  changeDeviceType,
  createDeviceType,
  describeDeviceType,
  deviceTypeInput,
  deviceTypePatch,
  getDeviceType,
  listDeviceTypes,
  removeDeviceType,
} from '../../devices/device_types.ts'
import { changeDevice, getDevice } from '../../devices/devices.ts'
import { release } from '../../devices/getting_in/release.ts'
import { devicesQuery, listDevices, METADATA_PARAMETER } from '../../devices/listing/device_list.ts'
import { getReport } from '../../devices/self/report.ts'
import { demandRotation, demandRotationOfType } from '../../devices/self/rotation.ts'
import { getSelf } from '../../devices/self/self.ts'
import { CannotStart } from '../cannot_start.ts'
import { ACCESS_COMMANDS } from './access.ts'
import type { CommandAnswer } from './answer.ts'
import { DEVICE_CA_COMMANDS } from './device_cas.ts'
import { GETTING_IN_COMMANDS } from './getting_in.ts'
import type { RegistryCommand } from './registry_usage.ts'
import {
  type Command,
  done,
  fileIn,
  filterOf,
  idIn,
  judged,
  noneIn,
  paged,
  pageIn,
  pairIn,
  type RegistryOptions,
  said,
  shown,
  timeIn,
} from './registry_words.ts'

const COMMANDS: Readonly<Record<RegistryCommand, Command>> = {
  ...ACCESS_COMMANDS,
  ...GETTING_IN_COMMANDS,
  ...DEVICE_CA_COMMANDS,
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
  async 'device rotate'(cx, words, options) {
    const id = idIn(words)
    const rotate_by = timeIn(options)
    const rows = await demandRotation(cx, id, { rotate_by })
    return shown({ rotate_by, keys: rows.filter((row) => row.rotate_by === rotate_by).length })
  },
  'device report': async (cx, words) => shown(await getReport(cx, idIn(words))),
  'device self': async (cx, words) => shown(await getSelf(cx, idIn(words))),
  'device keys': async (cx, words, options) =>
    paged(await listCredentials(cx, idIn(words), pageIn(options))),
  'device release': async (cx, words) =>
    shown(describeDevice(await release(cx, idIn(words), null))),
  'type list': async (cx, _, options) => paged(await listDeviceTypes(cx, pageIn(options))),
  'type get': async (cx, words) => shown(describeDeviceType(await getDeviceType(cx, idIn(words)))),
  async 'type create'(cx, words, options) {
    const input = { ...membersIn(options), name: idIn(words) }
    return shown(describeDeviceType(await createDeviceType(cx, judged(deviceTypeInput, input))))
  },
  async 'type change'(cx, words, options) {
    said(options.file, '--file F')
    const patch = judged(deviceTypePatch, fileIn(options))
    return shown(describeDeviceType(await changeDeviceType(cx, idIn(words), patch, null)))
  },
  async 'type delete'(cx, words) {
    await removeDeviceType(cx, idIn(words), null)
    return done
  },
  async 'type rotate'(cx, words, options) {
    const rotate_by = timeIn(options)
    return shown(await demandRotationOfType(cx, idIn(words), { rotate_by }))
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
      ...(options.by === undefined ? {} : { before: timeIn(options) }),
    }
    const input = judged(jobInput, { filter: filterOf(options, DEVICE_FILTERS), change })
    return shown(await (options['dry-run'] === true ? tryJob(cx, input) : startJob(cx, input)))
  },
  async 'job run'(cx, words) {
    noneIn(words)
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

export const registryCommand = (name: RegistryCommand): Command => COMMANDS[name]

async function changed(
  cx: Context,
  words: readonly string[],
  patch: z.input<typeof devicePatch>,
): Promise<CommandAnswer> {
  return shown(
    describeDevice(await changeDevice(cx, idIn(words), judged(devicePatch, patch), null)),
  )
}

const GRANT_FILTERS = ['subject', 'role', 'object']
const PAGE_MEMBERS = ['limit', 'cursor']
export const DEVICE_FILTERS = [
  ...Object.keys(devicesQuery.shape).filter((name) => !PAGE_MEMBERS.includes(name)),
  METADATA_PARAMETER,
]

/** The members of a file of JSON, none without one. */
function membersIn(options: RegistryOptions): object {
  const members = fileIn(options) ?? {}
  if (typeof members === 'object' && members !== null) return members
  throw new CannotStart(`${options.file} is no JSON object.`)
}
