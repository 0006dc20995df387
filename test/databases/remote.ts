// Databases behind HTTP, of the farm that the run has started: for tests inside workerd.
import argon2 from '@phi-ag/argon2/argon2.wasm'
import { inject } from 'vitest'
import { openRemoteDatabase } from '../../worker/entry/remote_database.ts'
import type { Lender } from './lender.ts'

/** Those of the present test file. */
const addresses = new Set<string>()

const ask = async (query: string): Promise<unknown> =>
  (await fetch(`${inject('databaseFarm')}/${query}`)).json()

export const lender: Lender = {
  argon2,
  async lendDatabase(withKeys) {
    const { url } = (await ask(withKeys ? 'new?keys' : 'new')) as { url: string }
    addresses.add(url)
    return {
      url,
      open: () => openRemoteDatabase({ url }),
      async roundTrips() {
        const { requests } = (await ask(`count?url=${encodeURIComponent(url)}`)) as {
          requests: number
        }
        return requests
      },
    }
  },
  async closeDatabases() {
    const urls = [...addresses]
    addresses.clear()
    for (const url of urls) await ask(`close?url=${encodeURIComponent(url)}`)
  },
}
