// better-auth with its OAuth provider over a SQLite file (node:sqlite, WAL, every commit on disk). Its defaults
// otherwise: opaque access tokens, which it stores; refresh tokens rotate. Answers its parent with where it
// listens and refresh tokens, each from a code flow of its own.
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { oauthProvider } from '@better-auth/oauth-provider'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { jwt } from 'better-auth/plugins'

const [file, families] = [process.argv[2], Number(process.argv[3])]
const db = new DatabaseSync(file)
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')

let handle
const server = createServer((request, response) => handle(request, response))
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const origin = `http://127.0.0.1:${server.address().port}`
const options = {
  baseURL: origin,
  secret: randomBytes(32).toString('base64url'),
  database: db,
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [
    jwt({ disableSettingJwtHeader: true }),
    oauthProvider({
      loginPage: '/login',
      consentPage: '/consent',
      scopes: ['openid', 'offline_access', 'api'],
      clientPrivileges: () => true,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
}
const { runMigrations } = await getMigrations(betterAuth(options).options)
await runMigrations()
const auth = betterAuth(options)
handle = toNodeHandler(auth)

const signedUp = await fetch(`${origin}/api/auth/sign-up/email`, {
  method: 'POST',
  headers: { 'content-type': 'application/json', origin },
  body: JSON.stringify({
    email: 'ann@example.com',
    password: randomBytes(12).toString('hex'),
    name: 'Ann',
  }),
})
const cookie = signedUp.headers
  .getSetCookie()
  .map((line) => line.split(';')[0])
  .join('; ')
const redirect_uri = 'https://app.example/callback'
const client = await auth.api.adminCreateOAuthClient({
  headers: new Headers({ cookie, origin }),
  body: {
    redirect_uris: [redirect_uri],
    skip_consent: true,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_basic',
    scope: 'openid offline_access api',
    client_credentials_scopes: ['api'],
  },
})
const authorization = `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`
const paths = {
  token: `${origin}/api/auth/oauth2/token`,
  introspect: `${origin}/api/auth/oauth2/introspect`,
}
const verifier = randomBytes(32).toString('base64url')
const refresh_tokens = []
for (let i = 0; i < families; i++) {
  const query = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri,
    scope: 'openid offline_access',
    state: 's',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const asked = await fetch(`${origin}/api/auth/oauth2/authorize?${query}`, {
    headers: { cookie },
    redirect: 'manual',
  })
  const { url } = await asked.json()
  const redeemed = await fetch(paths.token, {
    method: 'POST',
    headers: { authorization },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: new URL(url).searchParams.get('code'),
      redirect_uri,
      code_verifier: verifier,
    }),
  })
  refresh_tokens.push((await redeemed.json()).refresh_token)
}
process.send({
  paths,
  scope: 'api',
  clients: { RS256: { authorization, refresh_tokens }, ES256: null },
})
process.on('disconnect', () => process.exit())
