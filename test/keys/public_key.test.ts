import { expect, test } from 'vitest'
import { faultsOfKey, judgeKeySet } from '../../worker/keys/public_key.ts'
import { FOREIGN_KEYS, publicJwk, WEAK_KEYS } from '../support/weak_keys.ts'

test.each(WEAK_KEYS)('%s has a fault, alone and in a set', (_, jwk, member) => {
  const key = JSON.parse(JSON.stringify(jwk))
  expect(faultsOfKey(key).map((fault) => fault.member)).toEqual([member])
  const { usable, faults } = judgeKeySet([key])
  expect([usable, faults.map((fault) => [fault.place, fault.member])]).toEqual([[], [[0, member]]])
})

test.each(FOREIGN_KEYS)('a key %s is passed over in a set', async (_, jwk) => {
  const good = await publicJwk('ES256')
  expect(judgeKeySet([jwk, good])).toEqual({ usable: [good], faults: [] })
})

test('what is no key at all is a fault of the set', () => {
  const { usable, faults } = judgeKeySet([null, 'x', []])
  expect([usable, faults.map(({ place }) => place)]).toEqual([[], [0, 1, 2]])
})

test('generated keys have no faults, with and without their algorithm', async () => {
  for (const alg of ['EdDSA', 'ES256', 'RS256', 'PS256']) {
    for (let i = 0; i < (alg.endsWith('S256') && alg !== 'ES256' ? 2 : 40); i++) {
      const jwk = await publicJwk(alg)
      expect(faultsOfKey(jwk)).toEqual([])
      expect(faultsOfKey({ ...jwk, alg, use: 'sig', key_ops: ['verify'], ext: true })).toEqual([])
    }
  }
})
