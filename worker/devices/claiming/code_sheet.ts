// Codes for all unclaimed devices of a batch, to be printed. Nobody knows the codes of before, so
// each device gets a new one, and the one of before is dead. For the command line alone, which acts
// as the system: no power is compared.
import { mayAll } from '../../access/power.ts'
import type { Context } from '../../context.ts'
import { type Statement, scalar, sql } from '../../db/sql.ts'
import { claimCodeCreation, claimCodeEvents, makeClaimCode } from './claim_code.ts'
import { isClaimable } from './claim_code_store.ts'

type ClaimableDevice = { id: string; type: string; name: string | null; serial: string | null }

export type PrintedCode = ClaimableDevice & { claim_code: string; claim_uri: string }

/** Those of the devices that people may claim. */
const listClaimable = (ids: readonly string[]): Statement<ClaimableDevice> =>
  sql`select d.id, d.type, d.name, (select value from hardware_id
      where device_id = d.id and kind = 'serial' limit 1) as serial
    from json_each(${JSON.stringify(ids)}) j cross join device d on d.id = j.value
    where ${isClaimable(scalar`d.id`)} order by serial, d.id`

/** The devices of one chunk of an import, the next behind `after`. */
const findChunkOfImport = (job: string, after: number): Statement<{ seq: number; data: string }> =>
  sql`select event.seq, event.data from event_object named
      cross join event on event.seq = named.seq and event.type = 'devices.imported'
    where named.kind = 'import_job' and named.id = ${job} and named.seq > ${after}
    order by named.seq limit 1`

/** New codes for those of the devices that people may claim. Round trips: 1 read, 1 write. */
export async function printCodes(
  cx: Context,
  ids: readonly string[],
  expires_in: number,
): Promise<PrintedCode[]> {
  if (!mayAll(cx)) throw new TypeError('codes of many devices are made by the system')
  const devices = await cx.db.read(listClaimable([...new Set(ids)]))
  const made = []
  for (const device of devices) {
    made.push({ device, code: await makeClaimCode(cx, device.id, { expires_in, epoch: 0 }) })
  }
  const codes = made.map(({ code }) => code)
  await cx.db.write([...claimCodeCreation(cx, codes), ...claimCodeEvents(cx, codes)])
  return made.map(({ device, code: { claim_code, claim_uri } }) => ({
    ...device,
    claim_code,
    claim_uri,
  }))
}

/** The devices of an import, a chunk at a time. Round trips: 1 for each chunk. */
export async function* devicesOfImport(cx: Context, job: string): AsyncGenerator<string[]> {
  let after = 0
  for (;;) {
    const [chunk] = await cx.db.read(findChunkOfImport(job, after))
    if (chunk === undefined) return
    after = chunk.seq
    const { created, updated } = JSON.parse(chunk.data) as Record<'created' | 'updated', string[]>
    yield [...created, ...updated]
  }
}
