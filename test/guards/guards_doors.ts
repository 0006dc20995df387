// Guards of mProxy's doors: TLS, WebSocket, addresses that balancers tell, ways to the brokers. Part
// of guards.ts.
import type { Guard } from './guards.ts'

export const DOORS: readonly Guard[] = [
  {
    name: 'bound-token-elsewhere',
    attack: 'a stolen token that is bound to a certificate, used without it',
    file: 'proxy-node/gate.ts',
    from: 'bound_to === undefined || bound_to === thumbprint',
    to: 'true',
    test: 'proxy-node/transport/tls',
    title: 'on the connection that proves its certificate',
  },
  {
    name: 'binding-that-nothing-proves',
    attack: 'a token bound to a key as well, of which its certificate alone is proved',
    file: 'proxy-node/tokens/verifier.ts',
    from: ' || Object.keys(cnf).length !== 1',
    to: '',
    test: 'proxy-node/transport/tls',
    title: 'on the connection that proves its certificate',
  },
  {
    name: 'client-certificate-of-anybody',
    attack: 'a certificate that no authority of MQTT_TLS_CLIENT_CA_FILE signed',
    file: 'proxy-node/transport/certificates.ts',
    from: '  if (clientAuthorities !== undefined && !socket.authorized) return false\n',
    to: '',
    test: 'proxy-node/transport/tls',
    title: 'of another authority',
  },
  {
    name: 'certificate-that-replaces-by-a-bad-one',
    attack: 'a renewal that failed and takes a good certificate away',
    file: 'proxy-node/transport/certificates.ts',
    from: 'isNext && expires_at',
    to: 'false && expires_at',
    test: 'proxy-node/transport/tls',
    title: 'bad ones change nothing',
  },
  {
    name: 'silent-handshake',
    attack: 'connections that never finish their handshake and hold the door',
    file: 'proxy-node/transport/listen.ts',
    from: "        onRefused('timeout', arrival.address)\n        socket.destroy()\n",
    to: '',
    test: 'proxy-node/transport/tls',
    title: 'in its time',
  },
  {
    name: 'page-of-another-origin',
    attack: 'a page elsewhere that connects from the browser of somebody within the network',
    file: 'proxy-node/transport/websocket.ts',
    from: 'origins === undefined || origin === undefined || origins.includes(origin)',
    to: 'true',
    test: 'proxy-node/transport/websocket',
    title: 'of another origin',
  },
]
