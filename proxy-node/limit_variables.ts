// Variables of limits against those who take more than their share. Their place in the table of all
// variables, and the reading of it, is config.ts's.

import { number, optional, wholeNumber } from './variables.ts'

/** Limits of those who come in. */
export type ReceptionLimits = {
  /** In a minute, from one address, answered at once; 0 for all. */
  refused_connects_per_address: number
  /** In a minute; 0: no limit. */
  connects_per_principal: number
  /** At once; 0: no limit. */
  sessions_per_principal: number
}

/** Limits of one session. */
export type ShareLimits = {
  /** Filters that are refused in a minute, from which on the session ends; 0: no limit. */
  refused_filters_per_minute: number
  /** Tokens that a session may bring in a minute, each of which is verified; 0: no limit. */
  reauthentications_per_minute: number
  /** Packets and bytes of the client that are read in a second; 0: no limit. */
  packets_per_second: number
  bytes_per_second: number
  /** PUBLISH packets of QoS 1 and 2 the broker has not answered; more wait unread. */
  inflight_max: number
  /** Bytes waiting in one direction at which its source is no longer read. */
  buffer_high_water: number
}

export const LIMIT_VARIABLES = {
  MQTT_CONNECTIONS_MAX: optional("half the process's descriptors", {
    example: '10000',
    meaning: 'connections at once',
    read: wholeNumber(1, 1_000_000),
  }),
  MQTT_CONNECTIONS_PER_ADDRESS: number(
    0,
    [0, 1_000_000],
    'connections at once from one address',
    'no limit',
  ),
  MQTT_CONNECTIONS_UNPROVEN_MAX: optional('as many as connections', {
    example: '1000',
    meaning:
      'connections at once whose CONNECT was not judged yet; for one more, the oldest of the ' +
      'address that has most of them is closed',
    read: wholeNumber(1, 1_000_000),
  }),
  MQTT_REFUSED_CONNECTS_PER_ADDRESS: number(
    60,
    [0, 1_000_000],
    'CONNECTs in a minute from one address that are refused at once; further ones from there, ' +
      'good ones too, wait up to 2 seconds before they are judged. 0: none waits',
  ),
  MQTT_CONNECTS_PER_PRINCIPAL: number(
    300,
    [0, 1_000_000],
    'CONNECTs in a minute of one device, person or application; more are refused (0x9F). 0: no limit',
  ),
  MQTT_SESSIONS_PER_PRINCIPAL: number(
    100,
    [0, 1_000_000],
    'sessions at once of one device, person or application; more are refused (0x97). 0: no limit',
  ),
  MQTT_MEMORY_MAX: optional('90 % of what the process may have', {
    example: '1024',
    meaning: 'MB of memory at which no connection is let in any more, until some are free again',
    read: wholeNumber(64, 1_048_576),
  }),
  MQTT_PACKETS_PER_SECOND: number(
    0,
    [0, 1_000_000],
    'packets of one session that are read in a second; a faster client waits',
    'no limit',
  ),
  MQTT_BYTES_PER_SECOND: number(
    0,
    [0, 1_000_000_000],
    'bytes of one session that are read in a second; a faster client waits',
    'no limit',
  ),
  MQTT_INFLIGHT_MAX: number(
    1024,
    [1, 65_535],
    'QoS 1 and 2 messages of one session that the broker has not answered; further ones wait',
  ),
  MQTT_BUFFER_MAX_BYTES: number(
    65_536,
    [1024, 16_777_216],
    'bytes that wait for one client, or from it for the broker, before no more are read for it',
  ),
  MQTT_SUBSCRIPTIONS_MAX: number(
    4096,
    [1, 1_000_000],
    'topic filters that one session may ask for and hold',
  ),
  MQTT_REFUSED_FILTERS_PER_MINUTE: number(
    5000,
    [0, 1_000_000],
    'topic filters that one session may be refused in a minute; more end it (0x97). 0: no limit',
  ),
  MQTT_REAUTHENTICATIONS_PER_MINUTE: number(
    20,
    [0, 100_000],
    'new tokens that one session may bring in a minute, by AUTH or `$allauth/token`; more end it ' +
      '(0x97). 0: no limit',
  ),
} as const

type Numbers = { [Name in keyof typeof LIMIT_VARIABLES]: number | undefined }
type Read<Name extends keyof Numbers> = { readonly [N in Name]: number }

export const receptionOf = (
  values: Read<
    | 'MQTT_REFUSED_CONNECTS_PER_ADDRESS'
    | 'MQTT_CONNECTS_PER_PRINCIPAL'
    | 'MQTT_SESSIONS_PER_PRINCIPAL'
  >,
): ReceptionLimits => ({
  refused_connects_per_address: values.MQTT_REFUSED_CONNECTS_PER_ADDRESS,
  connects_per_principal: values.MQTT_CONNECTS_PER_PRINCIPAL,
  sessions_per_principal: values.MQTT_SESSIONS_PER_PRINCIPAL,
})

export const sharesOf = (
  values: Read<
    | 'MQTT_REFUSED_FILTERS_PER_MINUTE'
    | 'MQTT_REAUTHENTICATIONS_PER_MINUTE'
    | 'MQTT_PACKETS_PER_SECOND'
    | 'MQTT_BYTES_PER_SECOND'
    | 'MQTT_INFLIGHT_MAX'
    | 'MQTT_BUFFER_MAX_BYTES'
  >,
): ShareLimits => ({
  refused_filters_per_minute: values.MQTT_REFUSED_FILTERS_PER_MINUTE,
  reauthentications_per_minute: values.MQTT_REAUTHENTICATIONS_PER_MINUTE,
  packets_per_second: values.MQTT_PACKETS_PER_SECOND,
  bytes_per_second: values.MQTT_BYTES_PER_SECOND,
  inflight_max: values.MQTT_INFLIGHT_MAX,
  buffer_high_water: values.MQTT_BUFFER_MAX_BYTES,
})
