// The least that can stand between a client and a broker in Node: bytes from one socket to the
// other. mProxy is measured beside it. Its argument is the port of the broker.

import { type AddressInfo, connect, createServer } from 'node:net'

const upstream = Number(process.argv[2])
const server = createServer({ noDelay: true }, (client) => {
  const broker = connect({ port: upstream, host: '127.0.0.1', noDelay: true })
  client.pipe(broker).pipe(client)
  client.on('error', () => broker.destroy())
  broker.on('error', () => client.destroy())
})
server.listen(0, '127.0.0.1', () => {
  process.send?.({ ready: true, ports: { mqtt: [(server.address() as AddressInfo).port] } })
})
