import { describe, expect, test } from 'vitest'
import { Capacity, Seat, sourceOf } from '../../../proxy-node/transport/capacity.ts'

describe('what counts as one address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['', ''],
  ])('%s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source)
  })
})

test('a limit of one address that is lowered lets nobody more in, and closes the silent alone', () => {
  let most = 4
  const closed: string[] = []
  const capacity = new Capacity(
    {
      connectionsMax: 100,
      connectionsPerAddress: () => most,
      unprovenMax: () => 100,
      isMemoryFull: () => false,
    },
    () => {},
  )
  const come = (name: string) =>
    capacity.take('192.0.2.1', {
      destroy() {
        closed.push(name)
      },
    })
  for (const name of ['proved', 'proved too']) {
    const seat = come(name)
    if (!(seat instanceof Seat)) throw new Error(seat)
    seat.prove()
  }
  come('silent')
  most = 2
  expect([come('late'), closed]).toEqual(['too_many_from_address', ['silent']])
  most = 3
  expect(come('later')).toBeInstanceOf(Seat)
})
