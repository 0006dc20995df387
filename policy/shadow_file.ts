// The file in which mProxy keeps what clients did in shadow mode, and of which the worker's command
// line makes templates: its form, for who writes it and for who reads it.

/** One line of the record. */
export type Seen = {
  sub: string
  /** The fixed one of the token. */
  mqtt_client_id?: string
  action: 'publish' | 'subscribe'
  topic: string
  /** Those that were used. */
  retain: boolean[]
  /** Whether the rules of its token would have refused it, once at least. */
  denied: boolean
  count: number
}

/** Content of the file. `dropped`: observations that found no room. */
export type ShadowFile = { version: 1; dropped: number; seen: Seen[] }

/** Its name in STATE_DIR. */
export const SHADOW_FILE = 'shadow.json'

/** The content of the file; null where it is none. */
export function parseShadowFile(text: string): ShadowFile | null {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    return null
  }
  const { version, dropped, seen } = (content ?? {}) as Partial<ShadowFile>
  if (version !== 1 || typeof dropped !== 'number' || !Array.isArray(seen)) return null
  return seen.every(isSeen) ? { version, dropped, seen } : null
}

function isSeen(value: unknown): value is Seen {
  const { sub, mqtt_client_id, action, topic, retain, denied, count } = (value ??
    {}) as Partial<Seen>
  return (
    typeof sub === 'string' &&
    (mqtt_client_id === undefined || typeof mqtt_client_id === 'string') &&
    (action === 'publish' || action === 'subscribe') &&
    typeof topic === 'string' &&
    Array.isArray(retain) &&
    retain.every((one) => typeof one === 'boolean') &&
    typeof denied === 'boolean' &&
    typeof count === 'number'
  )
}
