// The dependency rules of docs/architecture.md, held by reading every import in the source.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'
import * as events from '../worker/db/event_schema.ts'
import * as factorSchema from '../worker/db/factor_schema.ts'
import * as oauthSchema from '../worker/db/oauth_schema.ts'
import * as peopleSchema from '../worker/db/people_schema.ts'
import * as schema from '../worker/db/schema.ts'
import * as statusSchema from '../worker/db/status_schema.ts'
import * as things from '../worker/db/things_schema.ts'
import { ROOT } from './support/tree.ts'

type Import = { from: string; to: string }

const sources = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /^(?!.*\bnode_modules\b).*(?<!\.d)\.ts$/.test(file))
    .map((file) => join(folder, file))

/**
 * Every import and re-export, `import type` and dynamic ones too; relative ones as paths from the
 * root.
 */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\s[^'"]*?\sfrom\s+'([^']+)'/gm),
    ...text.matchAll(/^\s*import\s+'([^']+)'/gm),
    ...text.matchAll(/\bimport\(\s*'([^']+)'/g),
  ]
  return found.map(([, target = '']) => ({
    from: file,
    to: target.startsWith('.') ? relative('.', join(dirname(file), target)) : target,
  }))
}

const worker = sources('worker')
const everything = [...worker, ...sources('policy'), ...sources('proxy-node')]
const imports = everything.flatMap(importsOf)

/** From the top down. A file may import from its own floor and those below. */
const FLOORS = [
  'entry',
  'app',
  'admin',
  'oauth',
  'devices',
  'identity',
  'access',
  'pages',
  'status',
  'keys',
  'ground',
]

function floorOf(file: string): string {
  const [, room = '', ...rest] = file.split('/')
  if (rest.length > 0)
    return ['db', 'api', 'events', 'mail', 'messages', 'settings', 'web'].includes(room)
      ? 'ground'
      : room
  return /^(app|failures|jobs)\.ts$/.test(room) ? 'app' : 'ground'
}

test('imports go down the floors of the worker, never up', () => {
  const upward = imports.filter(({ from, to }) => {
    if (!from.startsWith('worker/') || !to.startsWith('worker/')) return false
    return FLOORS.indexOf(floorOf(to)) < FLOORS.indexOf(floorOf(from))
  })
  expect(imports.length).toBeGreaterThan(200)
  expect(upward).toEqual([])
  for (const file of worker) expect(FLOORS, file).toContain(floorOf(file))
})

/**
 * The sub-rooms of oauth and the files on its own floor, from the top down; all other files there
 * are the ground of it.
 */
const OAUTH_FLOORS = [
  'routes.ts',
  'cleanup.ts',
  'server_metadata_routes.ts',
  'server_metadata.ts',
  'logout',
  'token',
  'device_flow',
  'authorize',
  'bearer.ts',
  'authorizations',
  'client_authentication',
  'registration',
  'tokens',
  'clients',
]

const subRooms = (): string[] => [
  ...new Set(worker.flatMap((file) => /^worker\/oauth\/(\w+)\//.exec(file)?.[1] ?? [])),
]

test('imports go down the sub-rooms of oauth, never up', () => {
  const rank = (file: string) => {
    const [first = ''] = relative('worker/oauth', file).split('/')
    const found = OAUTH_FLOORS.indexOf(first)
    return found < 0 ? OAUTH_FLOORS.length : found
  }
  const upward = imports.filter(
    ({ from, to }) =>
      from.startsWith('worker/oauth/') && to.startsWith('worker/oauth/') && rank(to) < rank(from),
  )
  expect(upward).toEqual([])
  for (const room of subRooms()) expect(OAUTH_FLOORS, room).toContain(room)
})

/** Lines at the head of a file, before anything else. */
const plateOf = (file: string): string[] => {
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n')
  return lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('//')),
  )
}

/** The file of each room outside of oauth that opens with its plate. */
const ROOM_PLATES = [
  'access/places/place_store.ts',
  'access/reach/reach.ts',
  'access/routes.ts',
  'access/conditions/expression.ts',
  'access/decisions/evaluation_routes.ts',
  'access/preview/preview.ts',
  'admin/routes.ts',
  'admin/places/place_visitor.ts',
  'api/operation.ts',
  'db/database.ts',
  'devices/routes.ts',
  'devices/bulk/routes.ts',
  'devices/certificates/routes.ts',
  'devices/claiming/claim_code.ts',
  'devices/connections/routes.ts',
  'devices/self/routes.ts',
  'devices/getting_in/device_import.ts',
  'devices/listing/device_list.ts',
  'devices/policies/routes.ts',
  'entry/host.ts',
  'entry/broker/broker.ts',
  'entry/commands/answer.ts',
  'entry/embedded/database.ts',
  'entry/hrana/hrana.ts',
  'entry/http/slow_bodies.ts',
  'entry/linking/check.ts',
  'entry/mail_transports/mail_transports.ts',
  'events/catalogue_entry.ts',
  'identity/known_browsers/known_browsers.ts',
  'identity/mail_codes/mail_codes.ts',
  'identity/trusted_browsers/trusted_browsers.ts',
  'identity/mail/mails.ts',
  'identity/invitations/invitations.ts',
  'identity/mailed_offers/mailed_offer.ts',
  'identity/transfers/transfers.ts',
  'identity/place_accounts/place_accounts.ts',
  'identity/routes.ts',
  'identity/consents/routes.ts',
  'identity/continue/continue_routes.ts',
  'identity/address/address_change.ts',
  'identity/closing/closing.ts',
  'identity/export/data_export.ts',
  'identity/factors/own_factors.ts',
  'identity/new_passwords/new_password.ts',
  'identity/own_profile/own_profile.ts',
  'identity/login_ids/login_ids.ts',
  'identity/passkeys/passkey_use.ts',
  'identity/sign_in/sign_in.ts',
  'identity/sign_up/sign_up.ts',
  'keys/routes.ts',
  'mail/mail_kinds.ts',
  'pages/mail/mail_text.ts',
  'messages/messages.ts',
  'pages/account/account_page.ts',
  'pages/shell.ts',
  'pages/consents/consent_text.ts',
  'web/issuer_path.ts',
  'settings/setting_entry.ts',
  'status/routes.ts',
]

test('each room opens with a plate: what it has, its tables, what it leaves to others', () => {
  const rooms = worker.map((file) => dirname(relative('worker', file)))
  const plain = [...new Set(rooms)].filter(
    (room) => room !== '.' && !room.startsWith('oauth') && !/^messages\/[a-z]{2}$/.test(room),
  )
  expect(plain.sort()).toEqual(ROOM_PLATES.map((file) => dirname(file)).sort())
  for (const file of ROOM_PLATES) {
    const plate = plateOf(join('worker', file))
    expect(plate.length, file).toBeGreaterThanOrEqual(4)
    expect(plate.length, file).toBeLessThanOrEqual(10)
    expect(plate.join(' '), file).toMatch(/\btables?\b.*\bleaves\b/i)
  }
})

test('each sub-room of oauth opens with a plate of at most ten lines', () => {
  for (const room of subRooms()) {
    const heads = [`worker/oauth/${room}/routes.ts`, `worker/oauth/${room}/${room}.ts`]
    const plates = worker
      .filter((file) => heads.includes(file) || file === 'worker/oauth/tokens/access_token.ts')
      .filter((file) => file.startsWith(`worker/oauth/${room}/`))
      .map((file) => plateOf(file).length)
    expect(
      plates.some((lines) => lines >= 4 && lines <= 10),
      `${room}: ${plates}`,
    ).toBe(true)
  }
})

test('a folder has at most 20 source files beside each other, a file at most 500 lines', () => {
  const beside = new Map<string, number>()
  for (const file of everything) {
    beside.set(dirname(file), (beside.get(dirname(file)) ?? 0) + 1)
    const lines = readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1
    expect(lines, file).toBeLessThanOrEqual(500)
  }
  const full = [...beside].filter(([, count]) => count > 20)
  expect(full).toEqual([])
})

/** Rooms and files of mProxy from the top down; config.ts and what it reads are its ground. */
const PROXY_FLOORS = [
  'index.ts',
  'explain.ts',
  'operation',
  'session',
  'shares',
  'gate.ts',
  'transport',
  'tokens',
  'wire',
  'live_settings.ts',
  'config.ts',
  'issuers_file.ts',
  'door_variables.ts',
  'limit_variables.ts',
  'variables.ts',
  'addresses.ts',
]

const proxyFloorOf = (file: string): string => file.split('/')[1] ?? ''

test('imports go down the floors of mProxy, never up', () => {
  const within = imports.filter(
    ({ from, to }) => from.startsWith('proxy-node/') && to.startsWith('proxy-node/'),
  )
  const upward = within.filter(
    ({ from, to }) =>
      PROXY_FLOORS.indexOf(proxyFloorOf(to)) < PROXY_FLOORS.indexOf(proxyFloorOf(from)),
  )
  expect(within.length).toBeGreaterThan(50)
  expect(upward).toEqual([])
  for (const file of sources('proxy-node')) expect(PROXY_FLOORS, file).toContain(proxyFloorOf(file))
})

test('each room of mProxy opens with a plate, and its main file names the other files', () => {
  const plates = {
    wire: 'framing.ts',
    tokens: 'verifier.ts',
    transport: 'listen.ts',
    session: 'session.ts',
    shares: 'reception.ts',
    operation: 'metrics.ts',
  }
  const rooms = PROXY_FLOORS.filter((floor) => !floor.endsWith('.ts'))
  expect(Object.keys(plates).sort()).toEqual(rooms.sort())
  for (const [room, main] of Object.entries(plates)) {
    const lines = readFileSync(join(ROOT, 'proxy-node', room, main), 'utf8').split('\n')
    const end = lines.findIndex((line) => !line.startsWith('//'))
    expect(end, room).toBeLessThanOrEqual(10)
    const plate = lines.slice(0, end).join('\n')
    const unnamed = readdirSync(join(ROOT, 'proxy-node', room)).filter(
      (file) => !plate.includes(file) && !(file.endsWith('_codec.ts') && plate.includes('*_codec')),
    )
    expect(unnamed, room).toEqual([])
  }
})

test('no exported name of the three programs stands in two places', () => {
  const places = new Map<string, Set<string>>()
  for (const file of everything) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    const names = text.matchAll(
      /^export (?:declare )?(?:async )?(?:const|let|function\*?|type|interface|class) (\w+)/gm,
    )
    for (const [, name = ''] of names) {
      // Each module of a grant exports the same three names.
      const ofGrant = /^(grant_type|parameters|redeem)$/.test(name) && file.includes('/grants/')
      if (!ofGrant) places.set(name, (places.get(name) ?? new Set()).add(file))
    }
  }
  expect(places.size).toBeGreaterThan(900)
  const twice = [...places].filter(([, files]) => files.size > 1).map(([name]) => name)
  expect(twice).toEqual([])
})

test('the gate of mProxy is pure: it knows no stream, no clock and no state', () => {
  const targets = importsOf('proxy-node/gate.ts').map(({ to }) => to)
  expect(targets.filter((to) => !/^(policy|proxy-node\/(tokens|wire))\//.test(to))).toEqual([])
  const text = readFileSync(join(ROOT, 'proxy-node/gate.ts'), 'utf8')
  expect(text).not.toMatch(/^(let|var)\b|\bnew (Map|Set)\b|\basync\b|\bnow\(\)/m)
})

/** Lines of comments, with the place where each stands. */
const comments = everything.flatMap((file) =>
  readFileSync(join(ROOT, file), 'utf8')
    .split('\n')
    .flatMap((line, i) =>
      /^\s*(\/\/|\*|\/\*)/.test(line) ? [{ place: `${file}:${i + 1}`, line }] : [],
    ),
)

test('comments fit a line of 100 columns, and begin with a noun or a verb', () => {
  const wrong = comments.filter(
    ({ line }) =>
      line.length > 100 ||
      /^\s*(\/\/|\/\*\*)\s*(What|Who|Whom|Whoever)\b/.test(line) ||
      /\bof ours\b|\b(he|his|him|himself)\b/.test(line),
  )
  expect(comments.length).toBeGreaterThan(2000)
  expect(wrong.map(({ place }) => place)).toEqual([])
})

test('no name is a bare participle', () => {
  const named = /\b(?:const|let|function|type)\s+[{[(]?\s*(?:told|held|given|asked|ended)\b/i
  const wrong = everything.filter((file) => named.test(readFileSync(join(ROOT, file), 'utf8')))
  expect(wrong).toEqual([])
})

test('no files import each other in a circle', () => {
  const edges = new Map(everything.map((file) => [file, importsOf(file).map(({ to }) => to)]))
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of everything) visit(file, [])
  expect(circles).toEqual([])
})

test('policy imports nothing, and mProxy stands on policy alone', () => {
  const outside = imports.filter(({ from, to }) => {
    if (from.startsWith('policy/')) return !to.startsWith('policy/')
    if (from.startsWith('proxy-node/')) {
      return to.startsWith('worker/') || to.startsWith('test/') || to.startsWith('migrations/')
    }
    return false
  })
  expect(outside).toEqual([])
})

test('the program that starts the others imports neither the worker nor mProxy', () => {
  const targets = importsOf('worker/entry/start.ts').map(({ to }) => to)
  const own = targets.filter((to) => /^(worker|proxy-node|policy)\//.test(to))
  expect(own).toEqual(
    ['broker.ts', 'client_id_rule.ts', 'host_folder.ts', 'reports_secret.ts'].map(
      (file) => `worker/entry/broker/${file}`,
    ),
  )
  const below = [...own, 'worker/entry/broker/free_port.ts']
    .flatMap((file) => importsOf(file).map(({ to }) => to))
    .filter((to) => !to.startsWith('node:'))
  expect([...new Set(below)].sort()).toEqual([
    'worker/entry/broker/free_port.ts',
    'worker/entry/broker/host_folder.ts',
  ])
})

test('only entry knows a runtime, a driver or the file system', () => {
  const known = /^(node:|@libsql\/|libsql$|cloudflare:|@hono\/node-server)|\.wasm$/
  const strangers = imports.filter(
    ({ from, to }) =>
      (from.startsWith('worker/') && !from.startsWith('worker/entry/') && known.test(to)) ||
      (from.startsWith('policy/') && known.test(to)),
  )
  expect(strangers).toEqual([])
})

test('Hono is known to routes, pages and the wiring alone', () => {
  const may =
    /^worker\/(app|failures|http|web\/cookies|api|errors)\.ts$|^worker\/api\/|^worker\/oauth\/bearer\.ts$|^worker\/pages\/|routes\.ts$|^worker\/entry\//
  const strangers = imports.filter(
    ({ from, to }) => /^(hono|@hono)(\/|$)/.test(to) && !may.test(from),
  )
  expect(strangers.map(({ from }) => from)).toEqual([])
})

test('no file opens the fence around a program with a triple-slash reference', () => {
  const opened = [...everything, ...sources('test')].filter((file) =>
    /^\/\/\/\s*<reference/m.test(readFileSync(join(ROOT, file), 'utf8')),
  )
  expect(opened).toEqual([])
})

test('routes hold no SQL, and no folder is a drawer for whatever fits nowhere', () => {
  const withSql = worker.filter((file) => {
    if (!file.endsWith('routes.ts')) return false
    return importsOf(file).some(({ to }) => to === 'worker/db/sql.ts')
  })
  expect(withSql).toEqual([])
  const drawers = everything.filter((file) =>
    /\/(utils?|helpers?|lib|common|services|models|types)(\/|\.ts$)/.test(file),
  )
  expect(drawers).toEqual([])
})

const routes = worker.filter((file) => file.endsWith('routes.ts'))
const usesOperation = (file: string) =>
  importsOf(file).some(({ to }) => to === 'worker/api/operation.ts')

test('a use case stands between each route and its store, pages included', () => {
  expect(routes.filter(usesOperation).length).toBeGreaterThanOrEqual(9)
  const shortcuts = routes.filter(
    (file) =>
      /\.db\b|\bdb\.(read|write)\b/.test(readFileSync(join(ROOT, file), 'utf8')) ||
      importsOf(file).some(({ to }) => /(^|\/|_)store\.ts$/.test(to)),
  )
  expect(shortcuts).toEqual([])
})

test('all of /v1 and /access/v1 is said with `operation`', () => {
  const knowsOpenApi = imports.filter(({ to }) => to === '@hono/zod-openapi')
  expect([...new Set(knowsOpenApi.map(({ from }) => from))].sort()).toEqual([
    'worker/api.ts',
    'worker/api/operation.ts',
    'worker/app.ts',
  ])
  const otherwise = routes.filter((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    return /\.(on|all|get|post|put|patch|delete)\(\s*['"`]\/(access\/)?v1\//.test(text)
  })
  expect(otherwise).toEqual([])
})

test('time and randomness come from the context below entry', () => {
  const direct = worker.filter((file) => {
    if (file.startsWith('worker/entry/')) return false
    const text = readFileSync(join(ROOT, file), 'utf8')
    return /\bDate\.now\(|\bnew Date\(\)|Math\.random\(|getRandomValues|randomUUID/.test(text)
  })
  expect(direct).toEqual([])
})

/** Which room a table belongs to, as the section comments of the schema say. */
function owners(): Map<string, string> {
  const files = [
    'schema.ts',
    'factor_schema.ts',
    'people_schema.ts',
    'things_schema.ts',
    'oauth_schema.ts',
    'event_schema.ts',
    'status_schema.ts',
  ].map((file) => `worker/db/${file}`)
  const text = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n')
  const found = new Map<string, string>()
  let room = ''
  for (const line of text.split('\n')) {
    room = /^\/\/ --- (\w+) -/.exec(line)?.[1] ?? room
    const name = /^export const (\w+) = sqliteTable\(/.exec(line)?.[1]
    if (name !== undefined) found.set(name, room)
  }
  return found
}

test('answers of a batch are read by name: no cast, no slice, no index, no list of answers', () => {
  const text = (file: string) => readFileSync(join(ROOT, file), 'utf8')
  const lines = worker.flatMap((file) =>
    text(file)
      .split('\n')
      .map((line) => `${file}: ${line.trim()}`),
  )
  const casts = lines.filter((line) => /\bas unknown as\b/.test(line) && !/WebAssembly/.test(line))
  expect(casts).toEqual([])
  expect(lines.filter((line) => /\b(readAll|writeAll)\b/.test(line))).toEqual([])
  const places = /\b(answers|others|batch|written|results)(\.(slice|at)\(|\[\d)|\w\[\d\]\[\d\]/
  const ofDrivers = /^worker\/(entry|keys\/(blake2b|paseto))/
  expect(lines.filter((line) => places.test(line) && !ofDrivers.test(line))).toEqual([])
  // `const [user, rights] = await cx.db.read({ ... })` or `read([...])`, and a cast of what was
  // answered.
  const taken = /(const|let) \[[^\]=]+,[^\]=]*\] = await [\w.]*db\.(read|write)\(/
  const cast = /await [\w.]*db\.(read|write)\([^\n]*\) as\s/
  const files = worker.filter((file) => taken.test(text(file)) || cast.test(text(file)))
  expect(files).toEqual([])
})

test('only the room that owns a table writes it', () => {
  const owner = owners()
  expect(owner.size).toBeGreaterThan(15)
  const trespasses: string[] = []
  for (const file of worker) {
    if (file.startsWith('worker/entry/')) continue
    const text = readFileSync(join(ROOT, file), 'utf8')
    const written = [
      ...text.matchAll(/\b(?:insert\s+into|update|delete\s+from)\s+"?(\w+)"?/gi),
      ...text.matchAll(/\binsert(?:Into|Where)\(\s*(\w+)/g),
    ].map(([, table = '']) => table)
    for (const table of written) {
      const room = owner.get(table)
      if (room === undefined) continue
      const mine = floorOf(file) === 'app' ? 'ground' : floorOf(file)
      if (room !== mine) trespasses.push(`${file} writes ${table} of ${room}`)
    }
  }
  expect(trespasses).toEqual([])
})

test('docs/data.md names every table with its owner', () => {
  const text = readFileSync(join(ROOT, 'docs/data.md'), 'utf8')
  for (const [table, room] of owners()) {
    expect(text, `${table} of ${room}`).toMatch(new RegExp(`\\| \`${table}\` \\| ${room} \\|`))
  }
})

test('the migrations make exactly the tables and columns that schema.ts describes', async () => {
  const { default: Sqlite } = await import('libsql')
  const database = new Sqlite(':memory:')
  for (const file of readdirSync(join(ROOT, 'migrations')).sort()) {
    if (file.endsWith('.sql')) {
      database.exec(readFileSync(join(ROOT, 'migrations', file), 'utf8'))
    }
  }
  const tables = Object.values({
    ...schema,
    ...factorSchema,
    ...peopleSchema,
    ...oauthSchema,
    ...statusSchema,
    ...events,
    ...things,
  }).filter((value) => value instanceof SQLiteTable)
  const described = tables
    .flatMap((table) =>
      Object.values(getTableColumns(table)).map(
        (column) =>
          `${getTableName(table)}.${column.name} ${column.getSQLType()} ${column.notNull ? 'not null' : ''}`,
      ),
    )
    .sort()
  // The full-text indexes over `user_text` and `device_text`, and what SQLite keeps it in, have columns without a type.
  const names = database
    .prepare(
      "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like 'user_search%' and name not like 'device_search%'",
    )
    .all() as { name: string }[]
  const made = names
    .flatMap(({ name }) => {
      const columns = database.prepare(`pragma table_info("${name}")`).all() as {
        name: string
        type: string
        notnull: number
      }[]
      return columns.map(
        (column) =>
          `${name}.${column.name} ${column.type.toLowerCase()} ${column.notnull ? 'not null' : ''}`,
      )
    })
    .sort()
  expect(made).toEqual(described)
})
