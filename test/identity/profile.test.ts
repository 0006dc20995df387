// The profile of a user: what may be in it, by the API and by the blueprint, and how it changes.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { BlueprintFault } from '../../worker/admin/blueprint_document.ts'
import {
  changeUser,
  createUser,
  type UserInput,
  type UserPatch,
  userInput,
  userPatch,
} from '../../worker/identity/users.ts'
import { startWorker, type TestWorker } from '../context.ts'

const WHOLE = {
  given_name: 'Ann',
  family_name: 'Gärtner',
  middle_name: 'M.',
  nickname: 'Annie',
  preferred_username: 'ann',
  profile: 'https://ann.example/about',
  picture: 'https://ann.example/me.png',
  website: 'http://ann.example/',
  gender: 'female',
  birthdate: '1990-02-28',
  zoneinfo: 'Europe/Vienna',
  phone_number: '+4315550100',
  phone_number_verified: true,
  address: {
    formatted: '12 Garden Street\n1010 Vienna',
    street_address: '12 Garden Street',
    locality: 'Vienna',
    region: 'Vienna',
    postal_code: '1010',
    country: 'Austria',
  },
}

async function startWithProfile(profile: UserInput['profile'] = WHOLE) {
  const worker = await startWorker()
  const row = await createUser(worker.context(), { id: 'ann', email: 'ann@example.com', profile })
  const patch = async (profile: UserPatch['profile']) => {
    const parsed = userPatch.parse({ profile })
    const { profile: stored } = await changeUser(worker.context(), 'ann', parsed, null)
    return JSON.parse(stored)
  }
  return { worker, row, patch }
}

test('every standard claim has its place, in one order whatever the order it came in', async () => {
  const { row } = await startWithProfile()
  expect(JSON.parse(row.profile)).toEqual(WHOLE)
  const { address, ...rest } = WHOLE
  const backwards = Object.fromEntries(Object.entries({ address, ...rest }).reverse())
  const other = await startWithProfile(backwards)
  expect(other.row.profile).toBe(row.profile)
})

const refused: [string, object][] = [
  ['phone_number', { phone_number: '0043 1 555' }],
  ['phone_number', { phone_number: '+0155501' }],
  ['phone_number', { phone_number: '+1234567890123456' }],
  ['birthdate', { birthdate: '1990-02-30' }],
  ['birthdate', { birthdate: '28.2.1990' }],
  ['birthdate', { birthdate: '0000' }],
  ['picture', { picture: 'javascript:alert(1)' }],
  ['website', { website: 'data:text/html,x' }],
  ['profile', { profile: '/about' }],
  ['zoneinfo', { zoneinfo: '../../etc/passwd' }],
  ['given_name', { given_name: '' }],
  ['nickname', { nickname: 'a\u0000b' }],
  ['gender', { gender: 'x'.repeat(51) }],
  ['phone_number_verified', { phone_number: '+15550100', phone_number_verified: 'yes' }],
  ['address', { address: {} }],
  ['address', { address: '12 Garden Street' }],
  ['address.country', { address: { country: 7 } }],
]
test.each(refused)('a profile is refused for its %s: %j', (name, profile) => {
  const { error } = userInput.safeParse({ email: 'ann@example.com', profile })
  expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([`profile.${name}`])
})

test('a member that is no standard claim is refused, in the address too', () => {
  for (const profile of [{ shoe_size: 40 }, { address: { planet: 'Earth' } }, { sub: 'bob' }]) {
    expect(userInput.safeParse({ email: 'ann@example.com', profile }).success).toBe(false)
    expect(userPatch.safeParse({ profile }).success).toBe(false)
  }
})

test.each(['1990-02-28', '2000-02-29', '0000-02-29', '1990'])('a birthdate may be %s', (date) => {
  const { success } = userInput.safeParse({ email: 'a@b.example', profile: { birthdate: date } })
  expect(success).toBe(true)
})

test('a patch changes what it names, and null takes a member away', async () => {
  const { patch } = await startWithProfile({
    given_name: 'Ann',
    nickname: 'Annie',
    address: { country: 'Austria', region: 'Tyrol' },
  })
  expect(await patch({ nickname: null, gender: 'female', address: { region: null } })).toEqual({
    given_name: 'Ann',
    gender: 'female',
    address: { country: 'Austria' },
  })
  // The last member takes the address along; RFC 7396 would leave an empty one.
  expect(await patch({ address: { country: null } })).toEqual({
    given_name: 'Ann',
    gender: 'female',
  })
  expect(await patch({ address: { locality: 'Vienna' } })).toMatchObject({
    address: { locality: 'Vienna' },
  })
  expect(await patch({ address: null, given_name: null, gender: null })).toEqual({})
})

test('another phone number is not verified, unless the same patch says so', async () => {
  const { patch } = await startWithProfile({
    phone_number: '+15550100',
    phone_number_verified: true,
  })
  expect(await patch({ phone_number: '+15550100' })).toMatchObject({ phone_number_verified: true })
  expect(await patch({ phone_number: '+15550101' })).toEqual({ phone_number: '+15550101' })
  const both = { phone_number: '+15550102', phone_number_verified: true }
  expect(await patch(both)).toEqual(both)
  expect(await patch({ phone_number: null })).toEqual({})
})

test('a number cannot be verified that is not there', async () => {
  const { patch } = await startWithProfile({})
  const errors = [
    {
      pointer: '/profile/phone_number_verified',
      detail: 'has no phone_number that it is about',
    },
  ]
  await expect(patch({ phone_number_verified: true })).rejects.toMatchObject({ errors })
  const input = { email: 'bob@example.com', profile: { phone_number_verified: true } }
  const { worker } = await startWithProfile({})
  await expect(createUser(worker.context(), input)).rejects.toMatchObject({ errors })
})

async function apply(worker: TestWorker, profile: object | undefined) {
  const document = { users: [{ email: 'ann@example.com', profile }] }
  return (await applyBlueprint(worker.context(), document, {})).changes
}

test('a blueprint says the whole profile, and says it twice without a change', async () => {
  const worker = await startWorker()
  expect(await apply(worker, WHOLE)).toEqual(['created user ann@example.com'])
  expect(await apply(worker, WHOLE)).toEqual([])
  const { nickname, ...rest } = WHOLE
  expect(await apply(worker, rest)).toEqual(['updated user ann@example.com (profile)'])
  expect(await apply(worker, undefined)).toEqual([])
  const bad = apply(worker, { birthdate: 'yesterday' })
  await expect(bad).rejects.toThrow(BlueprintFault)
  await expect(bad).rejects.toThrow('users[0].profile.birthdate')
})

test('the API shows the profile and describes it', async () => {
  const worker = await startWorker()
  const answer = await worker.request('/openapi.json')
  const { components } = (await answer.json()) as {
    components: { schemas: Record<string, { properties: Record<string, unknown> }> }
  }
  expect(Object.keys(components.schemas['Profile']?.properties ?? {})).toEqual(Object.keys(WHOLE))
  for (const name of ['User', 'NewUser']) {
    expect(components.schemas[name]?.properties['profile']).toEqual({
      $ref: '#/components/schemas/Profile',
    })
  }
  expect(components.schemas['UserPatch']?.properties).toHaveProperty('profile')
})
