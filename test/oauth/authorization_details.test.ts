// Rich authorization requests (RFC 9396) of the type `device`: a person grants an app named actions on named devices
// and groups, and the token carries no more than that and the person's own grants.
import { beforeEach, describe, expect, test } from 'vitest'
import { mayPublish, maySubscribe, parseAcl } from '../../policy/acl.ts'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { changeClient, createClient } from '../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import type { Browser, Page } from '../identity/browser.ts'
import { answerOf, CALLBACK, follow, requestPath, signIn, startFlow, VERIFIER } from './flow.ts'
import { basic, claimsOf, refresh, token, write } from './token_fixtures.ts'

const rule = (action: string, topic: string, permission = 'allow') => ({
  permission,
  action,
  topic,
})
const at = (rest: string) => `sites/\${group.id}/devices/${rest}`

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow({
    authorization_details_types: ['device'],
    scope: 'openid offline_access mqtt',
  }))
  await applyBlueprint(
    worker.context(),
    {
      groups: [
        { id: 'home', kind: 'site', name: 'Garden Street' },
        { id: 'attic', kind: 'room', name: 'Attic', parent_id: 'home' },
        { id: 'other', kind: 'site', name: 'Other Street' },
      ],
      device_types: [{ name: 'lamp', acl: [] }],
      devices: [
        { id: 'lamp-1', name: 'Desk lamp', type: 'lamp', groups: ['home'] },
        { id: 'lamp-2', type: 'lamp', groups: ['home'] },
        { id: 'lamp-3', type: 'lamp', groups: ['attic'] },
        { id: 'lamp-9', type: 'lamp', groups: ['other'] },
      ],
      roles: [
        {
          name: 'resident',
          permissions: ['device:read', 'device:command'],
          acl: [
            rule('subscribe', at('${device.id}/state')),
            rule('publish', at('${device.id}/set')),
            rule('subscribe', at('+/alarm')),
            rule('all', 'announcements/#'),
            rule('publish', at('lamp-2/set'), 'deny'),
          ],
        },
        {
          name: 'reader',
          permissions: ['device:read'],
          acl: [rule('subscribe', at('${device.id}/log'))],
        },
        { name: 'guest', permissions: [], acl: [rule('subscribe', at('${device.id}/guest'))] },
      ],
      grants: ['resident', 'reader', 'guest'].map((role) => ({
        subject: 'ann@example.com',
        role,
        object: 'home',
      })),
    },
    {},
  )
  await signIn(worker, browser, 'ann')
})

type Detail = { type?: string; actions?: string[]; devices?: string[]; groups?: string[] }
const detail = (actions: string[], on: { devices?: string[]; groups?: string[] }): Detail => ({
  type: 'device',
  actions,
  ...on,
})

const ask = async (
  details: unknown,
  more: Record<string, string | undefined> = {},
): Promise<Page> =>
  follow(
    browser,
    await browser.get(
      requestPath({
        scope: 'openid offline_access',
        authorization_details: typeof details === 'string' ? details : JSON.stringify(details),
        ...more,
      }),
    ),
  )

const errorOf = async (details: unknown, more?: Record<string, string | undefined>) =>
  answerOf(await ask(details, more))['error']

const redeem = (code: string | undefined, more: Record<string, string> = {}) =>
  token(worker, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
    client_id: 'app',
    ...more,
  })

/** What a person who allows it gives the app. */
async function grant(details: unknown, more: Record<string, string | undefined> = {}) {
  const page = await ask(details, more)
  const { code } = answerOf(await browser.submit(page, { action: 'allow' }))
  const answer = await redeem(code)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  const { access_token, refresh_token, authorization_details } = answer.body
  return { refresh_token, authorization_details, claims: claimsOf(access_token) }
}

const read = (acl: unknown) => {
  const parsed = parseAcl(acl)
  if ('fault' in parsed) throw new Error(parsed.fault)
  return parsed.acl
}
const subscribes = (acl: unknown, topic: string) => maySubscribe(read(acl), topic, 0)
const publishes = (acl: unknown, topic: string) => mayPublish(read(acl), topic, 0, false)

describe('the token carries', () => {
  test('what was named on one device, and nothing of its neighbours', async () => {
    const { claims, authorization_details } = await grant([
      detail(['device:read', 'device:command'], { devices: ['lamp-1'] }),
    ])
    expect(claims.aud).toEqual(['urn:allauth:mqtt', 'http://localhost:8787'])
    expect(claims.scope).toBe('openid offline_access')
    const held = { actions: ['device:command', 'device:read'], devices: ['lamp-1'], groups: [] }
    expect(claims.authorization_details).toEqual([{ type: 'device', ...held }])
    expect(authorization_details).toEqual(claims.authorization_details)
    const { acl } = claims
    expect(subscribes(acl, 'sites/home/devices/lamp-1/state')).toBe(true)
    expect(subscribes(acl, 'sites/home/devices/lamp-1/log')).toBe(true)
    expect(publishes(acl, 'sites/home/devices/lamp-1/set')).toBe(true)
    for (const topic of [
      'sites/home/devices/lamp-2/state',
      'sites/home/devices/+/state',
      'sites/home/devices/lamp-1/alarm',
      'sites/attic/devices/lamp-3/state',
      'announcements/all',
      'sites/home/devices/lamp-1/guest',
    ]) {
      expect(subscribes(acl, topic), topic).toBe(false)
    }
  })

  test('only the rules of roles whose permissions are all named', async () => {
    const { claims } = await grant([detail(['device:read'], { devices: ['lamp-1'] })])
    expect(claims.authorization_details[0].actions).toEqual(['device:read'])
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-1/log')).toBe(true)
    expect(publishes(claims.acl, 'sites/home/devices/lamp-1/set')).toBe(false)
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-1/state')).toBe(false)
  })

  test('of a larger role, the rules of a lesser one whose permissions are all named', async () => {
    const both = [
      rule('subscribe', at('${device.id}/state')),
      rule('publish', at('${device.id}/set')),
    ]
    const own = rule('publish', at('${device.id}/update'))
    await applyBlueprint(
      worker.context(),
      {
        roles: [
          {
            name: 'owner',
            permissions: ['device:read', 'device:command', 'access:write'],
            acl: [...both, own],
          },
          {
            name: 'lives',
            permissions: ['device:read', 'device:command'],
            acl: [...both, rule('publish', at('x'))],
          },
          { name: 'wide', permissions: ['device:read', 'device:fit'], acl: [own] },
          { name: 'none', permissions: [], acl: [own] },
        ],
        grants: [{ subject: 'ann@example.com', role: 'owner', object: 'other' }],
      },
      {},
    )
    const of = async (actions: string[]) => {
      const { claims } = await grant([detail(actions, { devices: ['lamp-9'] })])
      return ['state', 'set', 'update', 'x'].filter(
        (one) =>
          subscribes(claims.acl, `sites/other/devices/lamp-9/${one}`) ||
          publishes(claims.acl, `sites/other/devices/lamp-9/${one}`),
      )
    }
    expect(await of(['device:read', 'device:command'])).toEqual(['state', 'set'])
    expect(await of(['device:read'])).toEqual([])
    expect(await of(['device:read', 'device:command', 'device:fit'])).toEqual(['state', 'set'])
  })

  test('one way of messages alone where that is named', async () => {
    const { claims } = await grant([detail(['subscribe'], { devices: ['lamp-1'] })])
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-1/state')).toBe(true)
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-1/guest')).toBe(true)
    expect(publishes(claims.acl, 'sites/home/devices/lamp-1/set')).toBe(false)
  })

  test('a group with all below it, but not what is above or beside it', async () => {
    const actions = ['device:read', 'device:command']
    const { claims } = await grant([detail(actions, { groups: ['attic'] })])
    expect(subscribes(claims.acl, 'sites/attic/devices/lamp-3/state')).toBe(true)
    expect(subscribes(claims.acl, 'sites/attic/devices/+/alarm')).toBe(true)
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-1/state')).toBe(false)
    expect(subscribes(claims.acl, 'announcements/all')).toBe(false)
  })

  test('every denial of the person', async () => {
    const { claims } = await grant([
      detail(['device:read', 'device:command'], { devices: ['lamp-1', 'lamp-2'] }),
    ])
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-2/state')).toBe(true)
    expect(publishes(claims.acl, 'sites/home/devices/lamp-2/set')).toBe(false)
  })

  test('no rule at all where a rule of the person is not understood, on whatever object', async () => {
    const details = [detail(['device:read', 'device:command'], { devices: ['lamp-1'] })]
    await applyBlueprint(
      worker.context(),
      {
        roles: [{ name: 'later', permissions: [], acl: [rule('all', 'x', 'deny')] }],
        grants: [{ subject: 'ann@example.com', role: 'later', object: 'other' }],
      },
      {},
    )
    expect((await grant(details)).claims.acl).not.toEqual([])
    const acl = JSON.stringify([rule('all', '${new.kind}', 'deny')])
    await write(worker, sql`update role set acl = ${acl} where name = 'later'`)
    const { code } = answerOf(await ask(details))
    expect(claimsOf((await redeem(code)).body.access_token).acl).toEqual([])
  })

  test('nothing that the person does not hold, and says so', async () => {
    const { claims } = await grant([
      detail(['device:read', 'device:reset'], { devices: ['lamp-1', 'lamp-9', 'no-such'] }),
      detail(['device:read'], { groups: ['other', 'attic'] }),
    ])
    expect(claims.authorization_details).toEqual([
      { type: 'device', actions: ['device:read'], devices: ['lamp-1'], groups: [] },
      { type: 'device', actions: ['device:read'], devices: [], groups: ['attic'] },
    ])
    expect(JSON.stringify(claims.acl)).not.toContain('lamp-9')
    expect(JSON.stringify(claims.acl)).not.toContain('other')
  })

  test('no more than before where the scope mqtt is asked beside it', async () => {
    const { claims } = await grant([detail(['subscribe'], { devices: ['lamp-1'] })], {
      scope: 'openid mqtt',
    })
    expect(subscribes(claims.acl, 'sites/home/devices/+/state')).toBe(false)
    expect(claims.scope).toBe('openid mqtt')
  })

  test('details alone, without any scope', async () => {
    const { claims } = await grant([detail(['device:read'], { devices: ['lamp-1'] })], {
      scope: undefined,
    })
    expect(claims).toMatchObject({ aud: 'urn:allauth:mqtt', scope: '' })
    expect(claims.authorization_details.length).toBe(1)
  })
})

describe('a client that is registered for details and not for the scope mqtt', () => {
  const reduced = () =>
    changeClient(
      worker.context(),
      'app',
      { scope: 'openid offline_access', first_party: true },
      null,
    )

  test('is refused mProxy without details, which would be all that the person may', async () => {
    await reduced()
    const resource = 'urn:allauth:mqtt'
    const named = answerOf(await browser.get(requestPath({ scope: 'openid', resource })))
    expect(named['error']).toBe('invalid_target')
    const later = answerOf(await browser.get(requestPath({ scope: 'openid' })))
    expect((await redeem(later['code'], { resource })).body['error']).toBe('invalid_target')
  })

  test('is refused it also where it was registered for mqtt when the person signed in', async () => {
    await changeClient(worker.context(), 'app', { first_party: true }, null)
    const resource = 'urn:allauth:mqtt'
    const { code } = answerOf(await browser.get(requestPath({ scope: 'openid', resource })))
    await reduced()
    expect((await redeem(code)).body['error']).toBe('invalid_target')
  })

  test('names it with details, and gets those', async () => {
    await reduced()
    const authorization_details = JSON.stringify([detail(['device:read'], { devices: ['lamp-1'] })])
    const asked = { scope: 'openid', resource: 'urn:allauth:mqtt', authorization_details }
    const { code } = answerOf(await browser.get(requestPath(asked)))
    const { access_token } = (await redeem(code)).body
    const { acl } = claimsOf(access_token)
    expect(subscribes(acl, 'sites/home/devices/lamp-1/log')).toBe(true)
    expect(subscribes(acl, 'sites/home/devices/lamp-2/log')).toBe(false)
  })
})

describe('later', () => {
  const both = [detail(['device:read', 'device:command'], { devices: ['lamp-1', 'lamp-2'] })]

  test('a refreshed token has what is left, and none when the grant is gone', async () => {
    const { refresh_token = '' } = await grant(both)
    await write(worker, sql`delete from "grant" where role = 'resident'`)
    const less = await refresh(worker, refresh_token)
    expect(less.body['authorization_details']).toEqual([
      { type: 'device', actions: ['device:read'], devices: ['lamp-1', 'lamp-2'], groups: [] },
    ])
    await write(worker, sql`delete from "grant"`)
    const none = await refresh(worker, less.body.refresh_token ?? '')
    expect(none.body['authorization_details']).toEqual([])
    expect(claimsOf(none.body.access_token).acl).toEqual([])
  })

  test('a token request narrows and never widens', async () => {
    const { refresh_token = '' } = await grant(both)
    const more = (details: unknown) => ({ authorization_details: JSON.stringify(details) })
    const narrow = await refresh(
      worker,
      refresh_token,
      more([detail(['device:read'], { devices: ['lamp-2'] })]),
    )
    expect(claimsOf(narrow.body.access_token).authorization_details).toEqual([
      { type: 'device', actions: ['device:read'], devices: ['lamp-2'], groups: [] },
    ])
    const next = narrow.body.refresh_token ?? ''
    for (const wide of [
      [detail(['device:read'], { devices: ['lamp-3'] })],
      [detail(['device:reset'], { devices: ['lamp-1'] })],
      [detail(['device:read'], { groups: ['home'] })],
    ]) {
      const answer = await refresh(worker, next, more(wide))
      expect(answer.body.error).toBe('invalid_authorization_details')
    }
    // None of that harmed the family.
    expect((await refresh(worker, next)).status).toBe(200)
  })

  test('an authorization without details cannot get any', async () => {
    const { refresh_token = '' } = await grant(undefined as never, {
      authorization_details: undefined,
    })
    const details = JSON.stringify([detail(['device:read'], { devices: ['lamp-1'] })])
    const answer = await refresh(worker, refresh_token, { authorization_details: details })
    expect(answer.body.error).toBe('invalid_authorization_details')
  })
})

describe('the person is asked', () => {
  test('in words, with the names of what they may use, and with nothing of what they may not', async () => {
    const page = await ask([
      detail(['device:read', 'device:command'], { devices: ['lamp-1', 'lamp-9'] }),
      detail(['device:read'], { groups: ['attic', 'other'] }),
    ])
    expect(page.html).toContain('control, see: Desk lamp')
    expect(page.html).toContain('see: Attic')
    expect(page.html).not.toContain('lamp-9')
    expect(page.html).not.toContain('Other Street')
  })

  test('also where they allowed the details, and the scope at a resource, but not the details there', async () => {
    const resource = 'https://films.example/'
    await changeClient(worker.context(), 'app', { resources: [resource] }, null)
    const details = [detail(['device:read'], { devices: ['lamp-1'] })]
    await grant(details)
    await grant(undefined as never, { authorization_details: undefined, resource })
    const page = await ask(details, { resource })
    expect(page.html).toContain('see: Desk lamp')
    await browser.submit(page, { action: 'allow' })
    expect(answerOf(await ask(details, { resource }))).toHaveProperty('code')
  })

  test('about what they hold by then, and about what they come to hold before the app gets it', async () => {
    const asked = [detail(['device:read', 'device:command'], { devices: ['lamp-1', 'lamp-9'] })]
    const page = await ask(asked)
    const { code } = answerOf(await browser.submit(page, { action: 'allow' }))
    const grantOther = () =>
      applyBlueprint(
        worker.context(),
        { grants: [{ subject: 'ann@example.com', role: 'resident', object: 'other' }] },
        {},
      )
    // Shown before, allowed after.
    const early = await ask([detail(['device:read'], { devices: ['lamp-2', 'lamp-9'] })])
    await grantOther()
    const { refresh_token = '', access_token } = (await redeem(code)).body
    for (const token of [access_token, (await refresh(worker, refresh_token)).body.access_token]) {
      const { acl, authorization_details } = claimsOf(token)
      expect(subscribes(acl, 'sites/home/devices/lamp-1/state')).toBe(true)
      expect(JSON.stringify([authorization_details, acl])).not.toContain('lamp-9')
    }
    const shown = await follow(browser, await browser.submit(early, { action: 'allow' }))
    expect(shown.html).toContain('lamp-9')
    expect((await ask(asked)).html).toContain('control, see: Desk lamp, lamp-9')
  })

  test('again for other details, and not again for the same', async () => {
    const first = [detail(['device:read'], { devices: ['lamp-1'] })]
    await grant(first)
    expect(answerOf(await ask(first))['code']).toBeDefined()
    const other = [detail(['device:read'], { devices: ['lamp-2'] })]
    expect((await ask(other)).html).toContain('lamp-2')
    expect(await errorOf(other, { prompt: 'none' })).toBe('consent_required')
  })

  test('not at all, and the app is told, where they may do nothing of it', async () => {
    const details = [detail(['device:read'], { devices: ['lamp-9'] })]
    expect(await errorOf(details, { scope: undefined })).toBe('access_denied')
  })
})

describe('a request is refused', () => {
  const good = detail(['device:read'], { devices: ['lamp-1'] })
  test.each<[string, unknown]>([
    ['that is no JSON', '{'],
    ['that is no list', good],
    ['that is empty', []],
    ['without type', [{ ...good, type: undefined }]],
    ['of another type', [{ ...good, type: 'payment' }]],
    ['without actions', [{ ...good, actions: [] }]],
    ['without objects', [{ ...good, devices: [] }]],
    ['with a member that is not understood', [{ ...good, locations: ['x'] }]],
    ['with an id that is none', [{ ...good, devices: ['a/b'] }]],
    ['with too many elements', Array(11).fill(good)],
    ['with too many devices', [{ ...good, devices: Array(51).fill('x') }]],
  ])('%s', async (_, details) => {
    expect(await errorOf(details)).toBe('invalid_authorization_details')
  })

  test('for mProxy without details, of a client that is registered for details alone', async () => {
    await changeClient(worker.context(), 'app', { scope: 'openid offline_access' }, null)
    const resource = 'urn:allauth:mqtt'
    const without = { authorization_details: undefined, resource }
    expect(await errorOf(undefined, without)).toBe('invalid_target')
    const { claims, refresh_token = '' } = await grant([good], { resource })
    expect(claims).toMatchObject({ aud: resource, authorization_details: [good] })
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-1/log')).toBe(true)
    expect(subscribes(claims.acl, 'sites/home/devices/lamp-2/log')).toBe(false)
    expect((await refresh(worker, refresh_token)).status).toBe(200)
    // What was given without details while the client had the scope mqtt is not had without it.
    await write(worker, sql`update authorization set authorization_details = null`)
    const later = await refresh(worker, refresh_token)
    expect(later.body.error).toBe('invalid_target')
  })

  test('of a client for itself, which has no details: neither with them nor, by their type alone, for mProxy', async () => {
    const client_secret = 'secret-of-service-'.padEnd(40, 'x')
    await createClient(worker.context(), {
      client_id: 'service',
      client_secret,
      grant_types: ['client_credentials'],
      scope: 'orders',
      authorization_details_types: ['device'],
    })
    const ask = (more: Record<string, string>) =>
      token(worker, { grant_type: 'client_credentials', ...more }, basic('service', client_secret))
    const answer = await ask({ resource: 'urn:allauth:mqtt' })
    expect(answer.body.error).toBe('invalid_target')
    // Nor can it ask for any: left out in silence, its token would hold more than it asked for.
    await changeClient(worker.context(), 'service', { scope: 'mqtt' }, null)
    const detailed = await ask({ authorization_details: JSON.stringify([good]) })
    expect(detailed.body.error).toBe('invalid_authorization_details')
    expect((await ask({})).status).toBe(200)
  })

  test('of a client that is not registered for the type', async () => {
    await write(worker, sql`update client set members = '{}' where id = 'app'`)
    expect(await errorOf([good])).toBe('invalid_authorization_details')
  })
})

test('redeeming with details takes two round trips', async () => {
  const page = await ask([detail(['device:read'], { devices: ['lamp-1'] })])
  const { code } = answerOf(await browser.submit(page, { action: 'allow' }))
  await worker.request('/.well-known/jwks.json')
  const { roundTrips } = await countRoundTrips(worker, () => redeem(code))
  expect(roundTrips).toBe(2)
})
