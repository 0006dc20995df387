// A restart of the real program with its blueprint, after operators changed and deleted things.
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { ROOT } from '../support/tree.ts'
import { discover, makeBlueprint, operatorToken } from './black_box.ts'
import { type Program, type RunningWorker, run, runCli, startWorkerOn } from './programs.ts'

let worker: RunningWorker | undefined
let restarted: Program | undefined
afterEach(async () => {
  await restarted?.stop()
  await worker?.stop()
})

test('a restart comes up without what was deleted, and its log says what it left', async () => {
  const { blueprint } = await makeBlueprint()
  worker = await startWorkerOn('node', blueprint)
  const { issuer, folder } = worker
  const { access_token } = await operatorToken(await discover(issuer))
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${issuer}/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return answer.status
  }
  expect(await call('DELETE', 'devices/dim-0042')).toBe(204)
  expect(await call('PATCH', 'groups/site-12', { name: 'The house' })).toBe(200)
  worker.process.kill('SIGTERM')
  await worker.exit

  const BLUEPRINT = join(folder, 'blueprint.json')
  const env = { PORT: new URL(issuer).port, ISSUER: issuer, BLUEPRINT }
  restarted = run(process.execPath, [join(ROOT, 'worker/entry/node.ts')], { cwd: folder, env })
  await restarted.printed(/listens on/)
  const log = restarted.output()
  expect(log).toContain('"left":"left device dim-0042: it was deleted here')
  expect(log).toContain('"left":"left group site-12 (name): kept as it is here"')
  expect(log).not.toContain('"change"')
  expect(await call('GET', 'devices/dim-0042')).toBe(404)

  // The command line makes the file true, as far as ids may be used again.
  const dry = await runCli(['apply', BLUEPRINT, '--dry-run'], folder)
  expect(dry.output).toContain('updated group site-12 (name); undoes what was changed here: name')
  const applied = await runCli(['apply', BLUEPRINT], folder)
  expect(applied.output).toBe(dry.output)
  const refused = await runCli(['apply', BLUEPRINT, '--recreate'], folder)
  expect([refused.code, refused.output]).toEqual([
    2,
    expect.stringContaining('"dim-0042" was deleted; an id is never used again'),
  ])
})
