// oidc-provider over a SQLite file: one table, prepared statements, WAL, every commit on disk. Its defaults
// otherwise: opaque access tokens, which it stores; with the third argument `jwt` ES256 JWTs, which it does not. Answers its
// parent with where it listens and refresh tokens.
import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

const [file, families, format] = [process.argv[2], Number(process.argv[3]), process.argv[4]]
const db = new DatabaseSync(file)
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  create table model (kind text, id text, payload text, grant_id text, uid text, user_code text, expires_at integer,
    primary key (kind, id)) without rowid;
  create index model_grant on model (grant_id)`)
const put = db.prepare('insert or replace into model values (?, ?, ?, ?, ?, ?, ?)')
const get = db.prepare('select payload, expires_at from model where kind = ? and id = ?')
const by = {
  uid: db.prepare('select payload, expires_at from model where kind = ? and uid = ?'),
  user_code: db.prepare('select payload, expires_at from model where kind = ? and user_code = ?'),
}
const drop = db.prepare('delete from model where kind = ? and id = ?')
const dropGrant = db.prepare('delete from model where grant_id = ?')
const consume = db.prepare(
  "update model set payload = json_set(payload, '$.consumed', unixepoch()) where kind = ? and id = ?",
)

const live = (row) =>
  row === undefined || (row.expires_at !== null && row.expires_at <= Date.now() / 1000)
    ? undefined
    : JSON.parse(row.payload)

class Adapter {
  constructor(kind) {
    this.kind = kind
  }
  async upsert(id, payload, expiresIn) {
    const expires_at = expiresIn === undefined ? null : Math.floor(Date.now() / 1000) + expiresIn
    const { grantId = null, uid = null, userCode = null } = payload
    put.run(this.kind, id, JSON.stringify(payload), grantId, uid, userCode, expires_at)
  }
  async find(id) {
    return live(get.get(this.kind, id))
  }
  async findByUid(uid) {
    return live(by.uid.get(this.kind, uid))
  }
  async findByUserCode(code) {
    return live(by.user_code.get(this.kind, code))
  }
  async destroy(id) {
    drop.run(this.kind, id)
  }
  async revokeByGrantId(id) {
    dropGrant.run(id)
  }
  async consume(id) {
    consume.run(this.kind, id)
  }
}

const ALGORITHMS = ['RS256', 'ES256']
const RESOURCE = 'https://api.example/'
const keys = []
for (const alg of ALGORITHMS) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  keys.push({ ...(await exportJWK(privateKey)), alg, kid: alg, use: 'sig' })
}
const client_secret = randomBytes(32).toString('base64url')
const redirect_uri = 'https://app.example/callback'
const server = { listen: null }
const provider = new Provider('http://127.0.0.1', {
  adapter: Adapter,
  clients: ALGORITHMS.map((alg) => ({
    client_id: `bench-${alg}`,
    client_secret,
    redirect_uris: [redirect_uri],
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
    scope: 'openid offline_access api',
    id_token_signed_response_alg: alg,
  })),
  jwks: { keys },
  scopes: ['openid', 'offline_access', 'api'],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: format === 'jwt',
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'api openid offline_access',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // As ours does for a client that proves itself: the token is kept.
  rotateRefreshToken: false,
  cookies: { keys: [randomBytes(32).toString('hex')] },
})
async function clientOf(alg) {
  const client_id = `bench-${alg}`
  const client = await provider.Client.find(client_id)
  const refresh_tokens = []
  for (let i = 0; i < families; i++) {
    const grant = new provider.Grant({ accountId: 'ann', clientId: client_id })
    grant.addOIDCScope('openid offline_access')
    if (format === 'jwt') grant.addResourceScope(RESOURCE, 'api openid offline_access')
    const grantId = await grant.save()
    const token = new provider.RefreshToken({
      accountId: 'ann',
      client,
      grantId,
      gty: 'authorization_code',
      scope: 'openid offline_access',
      ...(format === 'jwt' ? { resource: RESOURCE } : {}),
      authTime: Math.floor(Date.now() / 1000),
    })
    refresh_tokens.push(await token.save())
  }
  const authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`
  return { authorization, refresh_tokens }
}
const clients = { RS256: await clientOf('RS256'), ES256: await clientOf('ES256') }
server.listen = provider.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.listen.address().port}`
  const paths = { token: `${origin}/token`, introspect: `${origin}/token/introspection` }
  process.send({ paths, scope: 'api', clients })
})
process.on('disconnect', () => process.exit())
