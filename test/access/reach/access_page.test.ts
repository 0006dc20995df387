// docs/access.md: its blueprint and its commands, in their order, and the operations that it names.
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import whole from '../../../docs/access.md?raw'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { idsOf, startHomes } from '../../support/places.ts'

// The part behind it is typed by test/host/access_page.test.ts.
const page = whole.slice(0, whole.indexOf('\n## Grants and rules\n'))

const blueprint = () => {
  const [, text = ''] = /# homes\.yaml\n((?: {4}.*\n|\n)+)/.exec(page) ?? []
  return parse(text.replaceAll(/^ {4}/gm, '')) as Record<string, unknown>
}

const COMMAND =
  /^ {4}curl -H "Authorization: Bearer \$(\w+)"(?: -X (\w+))?(?: -d '(.*)')? "?\$ISSUER(\/[^" ]*)"?$/

test('each command of docs/access.md does what the page says', async () => {
  const { worker, as, ops } = await startHomes(blueprint())
  await changeSettings(worker.context(), { sign_up: 'by_invitation' })
  worker.memory.clear()
  const callers = { ANN: await as('ann'), MAX: await as('max'), TOKEN: ops }
  const lines = page.split('\n').filter((line) => line.startsWith('    curl '))
  const answers: Record<string, unknown>[] = []
  for (const line of lines) {
    const [, who = '', method, body, path] = COMMAND.exec(line) ?? []
    const call = callers[who as keyof typeof callers]
    const verb = method ?? (body === undefined ? 'GET' : 'POST')
    const answer = await call(`${verb} ${path}`, body === undefined ? undefined : JSON.parse(body))
    expect([line, answer.status, answer.body]).toEqual([
      line,
      body !== undefined && method === undefined ? 201 : 200,
      answer.body,
    ])
    answers.push(answer.body)
  }
  expect(answers).toHaveLength(15)
  const people = answers[4] as { items: unknown[] }
  expect(idsOf({ body: people })).toEqual(['ann'])
  // Once the afternoon is over.
  worker.clock.now = 1_900_000_000
  expect((await (await as('max'))('GET /v1/devices/lamp')).status).not.toBe(200)
})

test('the operations that work within a reach are those of docs/access.md, and say so', async () => {
  const { worker } = await startHomes()
  const document = (await (await worker.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { operationId: string; 'x-within-reach'?: true }>>
  }
  const within = Object.values(document.paths)
    .flatMap((path) => Object.values(path))
    .filter((one) => one['x-within-reach'] === true)
    .map(({ operationId }) => operationId)
  expect(within.sort()).toEqual(
    [
      ...['createGroup', 'listGroups', 'getGroup', 'updateGroup', 'deleteGroup'],
      ...['listGroupMembers', 'addGroupMember', 'removeGroupMember'],
      ...['listRoles', 'getRole', 'listDeviceTypes', 'getDeviceType'],
      ...['createGrant', 'listGrants', 'getGrant', 'updateGrant', 'deleteGrant'],
      ...['listDevices', 'getDevice', 'updateDevice'],
      ...['createDeviceCredential', 'listDeviceCredentials', 'revokeDeviceCredential'],
      ...['rotateDevice', 'getDeviceReport', 'listConnections', 'listDeviceRefusals'],
      ...['createClaimCode', 'getClaimCode', 'withdrawClaimCode', 'releaseDevice'],
      ...['createJob', 'listJobs', 'getJob', 'listJobResults', 'cancelJob', 'undoJob'],
      ...['mintDeviceToken', 'listDeviceTokens', 'revokeDeviceToken'],
      ...['listUsers', 'getUser', 'listEvents', 'evaluateAccess', 'evaluateAccessBatch'],
      ...['searchSubjects', 'searchResources', 'searchActions', 'explainAccess'],
      ...['listSubjectAccess', 'listObjectAccess', 'previewAccess'],
      ...['createInvitation', 'listInvitations', 'getInvitation', 'revokeInvitation'],
      ...['createPlaceAccount', 'listPlaceAccounts', 'renewPlaceAccount'],
      ...['sendInvitation', 'offerTransfer', 'getTransfer', 'withdrawTransfer'],
    ].sort(),
  )
})
