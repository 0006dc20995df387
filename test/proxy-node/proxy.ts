// mProxy's core behind a listening socket, with tokens that are names in a table: who may do what
// is said by the test, the token's own form is not what is tested here.

import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type AclRule, parseAcl } from '../../policy/acl.ts'
import {
  type Dial,
  defaultLimits,
  type Identity,
  type Session,
  type SessionEvents,
  type SessionLimits,
  type Verification,
  type VerificationFailure,
} from '../../proxy-node/connection.ts'
import { openSession } from '../../proxy-node/session.ts'
import { createDial } from '../../proxy-node/upstream.ts'

export const allow = (action: AclRule['action'], topic: string, more = {}): AclRule => ({
  permission: 'allow',
  action,
  topic,
  ...more,
})
export const deny = (action: AclRule['action'], topic: string): AclRule => ({
  permission: 'deny',
  action,
  topic,
})

export function identify(sub: string, rules: AclRule[], more: Partial<Identity> = {}): Identity {
  const read = parseAcl(rules)
  if ('fault' in read) throw new Error(read.fault)
  return {
    sub,
    client_id: sub,
    acl: read.acl,
    expires_at: Math.floor(Date.now() / 1000) + 3600,
    jti: `${sub}.x`,
    iss: 'http://issuer',
    foreign: false,
    ...more,
  }
}

export type Told = { what: string; reason?: string; id?: number }

export type RunningProxy = {
  port: number
  tokens: Map<string, Identity | VerificationFailure>
  sessions: Session[]
  told: Told[]
  counts: {
    publishAllowed: number
    publishDenied: number
    subscribeAllowed: number
    subscribeDenied: number
    deliveryAllowed: number
    deliveryDenied: number
  }
  ended(): string[]
  refused(): string[]
  stop(): Promise<void>
}

export async function startProxy(
  broker: number | Dial,
  options: { limits?: Partial<SessionLimits>; verifyDelay?: () => Promise<void> } = {},
): Promise<RunningProxy> {
  const tokens = new Map<string, Identity | VerificationFailure>()
  const sessions: Session[] = []
  const told: Told[] = []
  const counts = {
    publishAllowed: 0,
    publishDenied: 0,
    subscribeAllowed: 0,
    subscribeDenied: 0,
    deliveryAllowed: 0,
    deliveryDenied: 0,
  }
  const events: SessionEvents = {
    started: (session) => told.push({ what: 'started', id: session.id }),
    refused: (reason) => told.push({ what: 'refused', reason }),
    ended: (session, reason) => told.push({ what: 'ended', reason, id: session.id }),
    reauthenticated: (session) => told.push({ what: 'reauthenticated', id: session.id }),
    publishAllowed: () => counts.publishAllowed++,
    publishDenied: () => counts.publishDenied++,
    subscribeAllowed: (filters) => {
      counts.subscribeAllowed += filters
    },
    subscribeDenied: (filters) => {
      counts.subscribeDenied += filters
    },
    deliveryAllowed: () => counts.deliveryAllowed++,
    deliveryDenied: () => counts.deliveryDenied++,
    bytesFromClient: () => {},
    bytesFromBroker: () => {},
  }
  const verify = (token: string | Uint8Array): Verification => {
    const found = tokens.get(Buffer.from(token).toString())
    if (found === undefined) return { ok: false, reason: 'bad_signature' }
    return typeof found === 'string' ? { ok: false, reason: found } : { ok: true, identity: found }
  }
  const { verifyDelay } = options
  const verifier = verifyDelay
    ? {
        verify: async (token: string | Uint8Array) => {
          await verifyDelay()
          return verify(token)
        },
      }
    : { verify }
  const dial =
    typeof broker === 'number'
      ? createDial([{ host: '127.0.0.1', port: broker, tls: false }])
      : broker
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.setNoDelay(true)
    const session = openSession(socket, {
      verifier,
      dial,
      limits: { ...defaultLimits, ...options.limits },
      events,
      now: () => Date.now(),
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    })
    sessions.push(session)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    tokens,
    sessions,
    told,
    counts,
    ended: () => told.filter((t) => t.what === 'ended').map((t) => t.reason ?? ''),
    refused: () => told.filter((t) => t.what === 'refused').map((t) => t.reason ?? ''),
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
