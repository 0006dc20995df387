// Shadow mode (MQTT_ACL_MODE=shadow): the verdicts of a token's rules on packets are told and not
// obeyed. All else is judged and enforced as always, by gate.ts with no rules in hand: the form of
// topics, reserved ones, the broker's dialect. Token, client id and limits are not asked about
// here.

import type { Qos } from '../../policy/acl.ts'
import type { SessionLimits } from '../config.ts'
import { judgeDelivery, judgePublish, judgeSubscribe, judgeWill } from '../gate.ts'
import type { Identity } from '../tokens/verifier.ts'
import type { Will } from '../wire/connect_codec.ts'
import { SUCCESS } from '../wire/reason_codes.ts'
import type { Observation, SessionEvents } from './events.ts'
import type { SessionState } from './state.ts'

type Message = { topic: string; qos: Qos; retain: boolean; responseTopic: string | undefined }

/** The code that a PUBLISH gets, which the rules gave `code`. */
export function publishInShadow(state: SessionState, message: Message, code: number): number {
  const { topic, qos, retain, responseTopic } = message
  const enforced = judgePublish(null, topic, qos, retain, responseTopic, state.limits)
  if (enforced === SUCCESS) {
    tell(state, { action: 'publish', topic, qos, retain, isAllowed: code === SUCCESS })
  }
  return enforced
}

/** Judges filters from the place `judged` to `to`, which the rules gave their `codes`, anew. */
export function subscribeInShadow(
  state: SessionState,
  question: { filters: readonly string[]; qos: readonly Qos[]; codes: Uint8Array; judged: number },
  to: number,
): void {
  const { filters, qos, codes, judged } = question
  const byRules = codes.slice(judged, to)
  codes.fill(0, judged, to)
  judgeSubscribe(null, filters, qos, state.limits, codes, judged, to)
  for (let i = judged; i < to; i++) {
    if (codes[i] !== SUCCESS) continue
    const isAllowed = byRules[i - judged] === SUCCESS
    tell(state, { action: 'subscribe', topic: filters[i]!, qos: qos[i]!, retain: false, isAllowed })
  }
}

/** Says whether a delivery passes that the rules do not allow. */
export function deliverInShadow(
  state: SessionState,
  topic: string,
  { qos, retain }: { qos: Qos; retain: boolean },
): boolean {
  if (!judgeDelivery(null, topic)) return false
  tell(state, { action: 'delivery', topic, qos, retain, isAllowed: false })
  return true
}

/** The code that a Will gets, which the rules gave `code`. */
export function willInShadow(
  will: Will,
  by: { identity: Identity; clientId: string; limits: SessionLimits; events: ShadowEvents },
  code: number,
): number {
  const enforced = judgeWill(null, will, by.limits)
  if (enforced === SUCCESS) {
    const { identity, clientId } = by
    const { topic, qos, retain } = will
    const isAllowed = code === SUCCESS
    by.events.observed({ identity, clientId, action: 'will', topic, qos, retain, isAllowed })
  }
  return enforced
}

export type ShadowEvents = Pick<SessionEvents, 'observed'>

function tell(state: SessionState, seen: Omit<Observation, 'identity' | 'clientId'>): void {
  const { identity, agreement } = state
  state.events.observed({ identity, clientId: agreement.clientId, ...seen })
}
