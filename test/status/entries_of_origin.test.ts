// What an operator is told of an origin of tokens, and of a place of a list.
import { expect, test } from 'vitest'
import { describeEntries, statusOfPlace } from '../../worker/status/entries_of_origin.ts'
import { startHomes } from '../support/places.ts'

test('an origin has the entry that its tokens tell, and a place says what became of them', async () => {
  const { worker, ops } = await startHomes()
  const cx = worker.context()
  const entryOf = async (id: string) => (await describeEntries(cx, id))[0]
  const state = async (entry: { list: number; idx: number } | undefined) =>
    (await statusOfPlace(cx, entry?.list ?? -1, entry?.idx ?? -1)).state
  const first = await entryOf('lamp-1')
  expect(first).toMatchObject({ kind: 'device', origin: 'lamp-1', list: 0, waits: false })
  expect(await state(first)).toBe('valid')
  expect((await ops('PATCH /v1/devices/lamp-1', { groups: ['room-2'] })).status).toBe(200)
  expect(await state(first)).toBe('superseded')
  const second = await entryOf('lamp-1')
  await ops('PATCH /v1/devices/lamp-1', { status: 'suspended' })
  expect([await state(second), await entryOf('lamp-1')]).toEqual(['ended', undefined])
  for (const [list, idx] of [
    [9, 0],
    [0, 1 << 20],
    [0, -1],
  ] as const) {
    await expect(statusOfPlace(cx, list, idx)).rejects.toThrow('no such place')
  }
})
