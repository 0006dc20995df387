// Guards of the registry of devices: jobs over keys, what lists tell of them, and how devices get
// in. Part of guards.ts.
import type { Guard } from './guards.ts'

export const REGISTRY: readonly Guard[] = [
  {
    name: 'job-undo-of-a-key-that-is-over',
    attack: 'a key that ended at the date of a job, and comes back to life by its undo',
    file: 'worker/devices/bulk/job_key_store.ts',
    from: 'condition`${isKeyInUse(cx, line.device_id)}\n    and exists (select 1 from json_each(${line.undo_after}',
    to: 'condition`device_id = ${line.device_id}\n    and exists (select 1 from json_each(${line.undo_after}',
    test: 'devices/jobs_rotate',
    title: 'gives life to no key',
  },
  {
    name: 'job-undo-of-a-newer-demand',
    attack: 'a date that somebody set since, which the undo of an old job puts off',
    file: 'worker/devices/bulk/job_key_store.ts',
    from: "and k.value ->> 'expires_at' is device_credential.expires_at\n        and k.value ->> 'rotate_by' is device_credential.rotate_by\n        and k.value",
    to: "and k.value ->> 'id' is not null\n        and k.value",
    test: 'devices/jobs_rotate',
    title: 'gives life to no key',
  },
  {
    name: 'job-demand-once',
    attack: 'a device whose keys a cancelled job, or a second run of it, ends all the same',
    file: 'worker/devices/bulk/job_key_store.ts',
    from: "and exists (select 1 from device_job j where j.id = job_id and j.state = 'running')",
    to: '',
    test: 'devices/jobs_rotate',
    title: 'demands nothing of the second',
  },
  {
    name: 'job-lines-bounded',
    attack: 'a page of results that looks through a million lines, since few are within the reach',
    file: 'worker/devices/bulk/job_store.ts',
    from: 'limit ${EXAMINED_MAX}) l',
    to: ') l',
    test: 'devices/jobs',
    title: 'examines a bounded number of lines',
  },
  {
    name: 'ending-keys-of-a-type',
    attack: 'a fleet whose keys end next week by the demand of their type, and that no list names',
    file: 'worker/devices/listing/ending_keys_store.ts',
    from: '${devicesOf} where r.rotate_by < ${before} and (r.rotate_by',
    to: '${devicesOf} where false and (r.rotate_by',
    test: 'devices/device_list',
    title: 'each once, the first end first',
  },
  {
    name: 'ending-keys-once',
    attack: 'a device in a list of ends that took another key already, or that stands there twice',
    file: 'worker/devices/listing/device_list_store.ts',
    from: "if (lead === 'key_ends_before') found.push(isFirstEnd)",
    to: '',
    test: 'devices/device_list',
    title: 'each once, the first end first',
  },
  {
    name: 'type-demand-ends-with-its-type',
    attack: 'keys that end by the demand of a type that was deleted, under a new type of its name',
    file: 'worker/devices/store.ts',
    from: '  sql`delete from device_type_rotation where type = ${name} and ${deviceTypeIsUnused(name)}`,\n',
    to: '',
    test: 'devices/device_list',
    title: 'under a new type of the name',
  },
]
