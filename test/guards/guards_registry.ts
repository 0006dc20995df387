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
]
