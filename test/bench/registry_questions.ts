// The questions that the benchmark of the registry asks of each fleet, each about a device near
// its middle, with the tokens that they need.
import { FormBrowser } from '../host/black_box.ts'
import { deviceId, deviceOfHome, type Fleet, groupOfDevice, holderOver, homesOf } from './fleet.ts'
import type { Prepared } from './requests.ts'

const OPERATOR = 'bench-operator'
const SECRET = 'k7Qm2Zt9Xw4Rb6Ny1Lp8Vd3Hs5Jc0FgAa2'
const METER = 'bench-meter'
const METER_SECRET = 'w3Rk8Tn1Zc6Mx4Qv9Hb2Jd7Lf5Gs0PyBb7'
const APP = 'bench-app'
const CALLBACK = 'https://app.example.com/callback'
const OWNER = 'owner@example.com'
const FIRM = 'firm@example.com'
const PASSWORD = 'four words nobody knows'
const RESIDENT_TOPIC = 'sites/${group.id}/devices/+'

export const BLUEPRINT = {
  clients: [
    {
      client_id: OPERATOR,
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
      access_token_ttl: 86_400,
    },
    {
      client_id: APP,
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
      scope: 'devices:read',
      first_party: true,
      access_token_ttl: 86_400,
    },
  ],
  roles: [
    {
      name: 'resident',
      permissions: ['device:read', 'device:command'],
      acl: [
        { permission: 'allow', action: 'subscribe', topic: `${RESIDENT_TOPIC}/state` },
        { permission: 'allow', action: 'publish', topic: `${RESIDENT_TOPIC}/set` },
      ],
    },
    { name: 'keeper', permissions: ['devices:read'], acl: [] },
  ],
  device_types: [
    {
      name: 'dimmer',
      acl: [
        {
          permission: 'allow',
          action: 'publish',
          topic: 'sites/${group.id}/devices/${device.id}/state',
        },
      ],
    },
  ],
  users: [OWNER, FIRM].map((email) => ({ email, password: PASSWORD, email_verified: true })),
}

const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`

const FORM = 'application/x-www-form-urlencoded'

async function tokenFor(
  issuer: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': FORM, ...headers },
    body: new URLSearchParams(form).toString(),
  })
  const { access_token } = (await answer.json()) as { access_token?: string }
  if (access_token === undefined) throw new Error(`no token: ${answer.status}`)
  return access_token
}

export const operatorToken = (issuer: string): Promise<string> =>
  tokenFor(
    issuer,
    { grant_type: 'client_credentials', scope: 'manage' },
    { authorization: basic(OPERATOR, SECRET) },
  )

/** A token of a person for `/v1`, as far as that person reaches. */
async function personToken(issuer: string, username: string): Promise<string> {
  const verifier = 'v'.repeat(43)
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(verifier))
  const start = new URL(`${issuer}/oauth/authorize`)
  start.search = new URLSearchParams({
    client_id: APP,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: 'devices:read',
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  const browser = new FormBrowser()
  const login = await browser.follow(start.href)
  const { url } = await browser.submit(login, { username, password: PASSWORD, action: 'login' })
  const code = url.searchParams.get('code')
  if (code === null) throw new Error(`no code: ${url}`)
  const form = { grant_type: 'authorization_code', redirect_uri: CALLBACK, client_id: APP }
  return tokenFor(issuer, { ...form, code, code_verifier: verifier })
}

/** Subjects of the questions beside the fleet: a device with a secret, and people with a reach. */
export async function addAsked(issuer: string, token: string, fleet: Fleet): Promise<void> {
  const send = async (path: string, body: object) => {
    const answer = await fetch(`${issuer}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  }
  // It fetches tokens by a secret: nothing is written for it.
  await send('devices', {
    id: METER,
    type: 'dimmer',
    groups: [groupOfDevice(1, fleet)],
    credentials: [{ kind: 'secret', secret: METER_SECRET }],
  })
  const homes = homesOf(fleet)
  for (const [n, object] of homes.entries()) {
    if (n === 0) await send('grants', { subject: OWNER, role: 'keeper', object })
    await send('grants', { subject: FIRM, role: 'keeper', object })
  }
}

/** The questions of a fleet, under names that say what they are. */
export async function questionsOf(
  issuer: string,
  token: string,
  fleet: Fleet,
): Promise<Record<string, Prepared>> {
  const middle = deviceOfHome(fleet)
  const group = groupOfDevice(middle, fleet)
  const get = (path: string, shows: string, bearer = token): Prepared => ({
    url: issuer + path,
    method: 'GET',
    headers: { authorization: `Bearer ${bearer}` },
    body: '',
    status: 200,
    shows,
  })
  const ask = (path: string, question: object, shows: string): Prepared => ({
    url: issuer + path,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(question),
    status: 200,
    shows,
  })
  const id = deviceId(middle)
  const subject = { type: 'user', id: holderOver(middle, fleet) }
  const resource = { type: 'device', id }
  const action = { name: 'device:command' }
  const page = { limit: 50 }
  const whole = { subject, action, resource }
  return {
    evaluation: ask('/access/v1/evaluation', whole, '"decision":true'),
    explain: ask('/access/v1/explain', whole, '"decision":true'),
    'device token': {
      url: `${issuer}/oauth/token`,
      method: 'POST',
      headers: { 'content-type': FORM, authorization: basic(METER, METER_SECRET) },
      body: 'grant_type=client_credentials&scope=mqtt',
      status: 200,
      shows: 'access_token',
    },
    'search: who may reach it': ask(
      '/access/v1/search/subject',
      { subject: { type: 'user' }, action, resource, page },
      '"results":[{',
    ),
    'search: what somebody may reach': ask(
      '/access/v1/search/resource',
      { subject, action, resource: { type: 'device' }, page },
      '"results":[{',
    ),
    'search: what somebody may do': ask(
      '/access/v1/search/action',
      { subject, resource },
      'device:command',
    ),
    'effective access of a person': get(`/access/v1/subjects/${subject.id}/access?limit=50`, group),
    'who reaches a device': get(`/access/v1/objects/${id}/access?limit=50`, '"items":[{'),
    'page of devices': get('/v1/devices?type=dimmer&limit=50', 'next_cursor'),
    'devices with words': get(`/v1/devices?q=sn-${middle}&limit=50`, id),
    'devices of a place': get(`/v1/devices?group=${group}&limit=50`, id),
    'devices within a home': get('/v1/devices?limit=50', id, await personToken(issuer, OWNER)),
    'devices within 20 homes': get(
      '/v1/devices?limit=50',
      id.slice(0, 6),
      await personToken(issuer, FIRM),
    ),
    'grants of a role': get('/v1/grants?role=resident&limit=50', 'next_cursor'),
    places: get('/v1/groups?kind=site&limit=50', 'next_cursor'),
  }
}
