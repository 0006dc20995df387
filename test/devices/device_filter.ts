// The filter of the list of devices that leaves none out, for tests that read the plans of others.
import type { DeviceFilter } from '../../worker/devices/listing/device_list_store.ts'

export const EVERY_DEVICE: DeviceFilter = {
  status: undefined,
  type: undefined,
  tags: undefined,
  anyTags: undefined,
  hardware: undefined,
  parent: undefined,
  silent_since: undefined,
  key_ends_before: undefined,
  words: undefined,
  values: [],
  isWide: false,
}
