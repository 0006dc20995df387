// Readers of memberships: each statement that follows memberships of people looks at their end, or
// stands here with the reason why not. A new one without a decision fails.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './support/tree.ts'

/** A place in SQL that reads memberships, with the text up to the next one. */
const READS = /\b(?:from|join)\s+membership\b(?:(?!\b(?:from|join)\s+membership\b)[\s\S]){0,200}/g

const LOOKS = /\$\{(?:lasts\(|isMember\})/

/** `looks`: how many places look at the end; `others`: how many do not, and why not. */
type Decision = { looks: number; others?: [number, string] }

const READERS: Readonly<Record<string, Decision>> = {
  'access/decisions/decision_store.ts': { looks: 3, others: [1, 'around a device'] },
  'access/group_members.ts': { looks: 1, others: [1, 'groups of a device'] },
  'access/operator_store.ts': { looks: 1 },
  'access/places/membership_ends.ts': { looks: 0, others: [3, 'removes those that ended'] },
  'access/places/own_places.ts': {
    looks: 1,
    others: [4, 'devices; all that the person leaves, also what ended before'],
  },
  'access/places/place_store.ts': {
    looks: 3,
    others: [6, 'around and below devices; all that ends with a transfer, also what ended before'],
  },
  'access/power.ts': { looks: 0, others: [2, 'groups of a device'] },
  'access/power_store.ts': {
    looks: 0,
    others: [3, 'around an object: a device or a group; devices below a group'],
  },
  'access/preview/preview_store.ts': { looks: 1, others: [1, 'whether any changed'] },
  'access/principals.ts': { looks: 0, others: [2, 'deletes all'] },
  'access/reach/reach_store.ts': { looks: 2, others: [1, 'devices, and since when'] },
  'access/rights_store.ts': {
    looks: 3,
    others: [6, 'devices below and around; own groups of one'],
  },
  'access/store.ts': {
    looks: 2,
    others: [6, 'rows that a write depends on; devices that are objects of grants'],
  },
  'admin/blueprint_store.ts': { looks: 2 },
  'admin/blueprint_width.ts': { looks: 0, others: [1, 'groups of devices'] },
  'admin/places/place_endings.ts': { looks: 2 },
  'admin/places/place_view.ts': { looks: 3 },
  'devices/certificates/certificate_store.ts': { looks: 0, others: [1, 'groups of a device'] },
  'devices/claiming/claim_code_store.ts': { looks: 0, others: [2, 'groups of a device'] },
  'devices/getting_in/claim_store.ts': { looks: 0, others: [1, 'devices'] },
  'devices/listing/device_list_store.ts': { looks: 0, others: [5, 'devices'] },
  'devices/refusals.ts': { looks: 0, others: [1, 'devices'] },
  'devices/store.ts': { looks: 0, others: [1, 'devices'] },
  'devices/width.ts': { looks: 0, others: [1, 'groups of a device'] },
  'identity/export/export_sections.ts': {
    looks: 0,
    others: [2, 'the data of a person, with their end; devices'],
  },
  'identity/login_ids/user_search_store.ts': { looks: 1 },
  'identity/place_accounts/place_account_store.ts': { looks: 1 },
}

test('every statement that reads memberships looks at their end, or says why not', () => {
  const worker = join(ROOT, 'worker')
  const found = readdirSync(worker, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const text = readFileSync(join(worker, file), 'utf8')
      const reads = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').match(READS) ?? []
      const looks = reads.filter((one) => LOOKS.test(one)).length
      return reads.length === 0 ? [] : [[file, [looks, reads.length - looks]] as const]
    })
  const decided = Object.entries(READERS).map(([file, { looks, others }]) => [
    file,
    [looks, others?.[0] ?? 0],
  ])
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(decided))
})
