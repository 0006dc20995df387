// Load on one server: a fixed number of connections, each sending its next request when the last
// was answered.
import { Agent, request } from 'node:http'

/** A client, named as the algorithm of its ID tokens. */
export type TargetClient = {
  authorization: string
  /** One for each connection; replaced when the server rotates. */
  refresh_tokens: string[]
}

export type Target = {
  paths: { token: string; introspect: string }
  scope: string
  /** ES256: null where the server has no such client. */
  clients: { RS256: TargetClient; ES256: TargetClient | null }
}

export const ROWS = [
  'client_credentials',
  'refresh_token, RS256',
  'refresh_token, ES256',
  'introspection',
] as const
export type Row = (typeof ROWS)[number]

/** The client that a row needs; null where the server has none. */
export const clientOfRow = ({ clients }: Target, row: Row): TargetClient | null =>
  row === 'refresh_token, ES256' ? clients.ES256 : clients.RS256

type Answer = Record<string, unknown>

function post(agent: Agent, url: string, authorization: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
    }
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        if (response.statusCode === 200) return resolve(JSON.parse(text))
        reject(new Error(`${url} answered ${response.statusCode} ${text.slice(0, 300)}`))
      })
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export const formOf = (values: Record<string, string>) => new URLSearchParams(values).toString()

export type Measured = { requests: number; seconds: number; latencies: number[] }

/**
 * `connections` at once for `seconds`. A refused request fails the measurement. Latencies in
 * milliseconds.
 */
export async function load(
  target: Target,
  row: Row,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const { paths, scope } = target
  const client = clientOfRow(target, row)
  if (client === null) throw new Error(`the server has no client for ${row}`)
  const { authorization, refresh_tokens } = client
  const own = formOf({ grant_type: 'client_credentials', scope })
  const { access_token } = await post(agent, paths.token, authorization, own)
  const introspected = formOf({ token: String(access_token) })

  const once = async (connection: number) => {
    if (row === 'client_credentials') {
      const answer = await post(agent, paths.token, authorization, own)
      if (typeof answer['access_token'] !== 'string') throw new Error('no access token')
    } else if (row === 'introspection') {
      const answer = await post(agent, paths.introspect, authorization, introspected)
      if (answer['active'] !== true) throw new Error('the token is not active')
    } else {
      const refresh_token = refresh_tokens[connection] ?? ''
      const body = formOf({ grant_type: 'refresh_token', refresh_token })
      const answer = await post(agent, paths.token, authorization, body)
      if (typeof answer['access_token'] !== 'string') throw new Error('no access token')
      const next = answer['refresh_token']
      if (typeof next === 'string') refresh_tokens[connection] = next
    }
  }
  const latencies: number[] = []
  const begun = performance.now()
  const end = begun + seconds * 1000
  await Promise.all(
    Array.from({ length: connections }, async (_, connection) => {
      while (performance.now() < end) {
        const at = performance.now()
        await once(connection)
        latencies.push(performance.now() - at)
      }
    }),
  )
  const taken = (performance.now() - begun) / 1000
  agent.destroy()
  return { requests: latencies.length, seconds: taken, latencies }
}

export const percentile = (values: readonly number[], p: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] ?? 0
