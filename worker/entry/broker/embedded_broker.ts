// The broker of last resort for `npm start`: aedes in a process of its own. It speaks MQTT 3.1.1
// only and keeps nothing; a real broker is one MQTT_UPSTREAM away.
import { createServer } from 'node:net'
import { Aedes } from 'aedes'

const port = Number(process.argv[2])
const expected = process.env['BROKER_PASSWORD']
if (!Number.isInteger(port) || expected === undefined) {
  console.error('embedded_broker.ts is started by npm start')
  process.exit(2)
}

const broker = await Aedes.createBroker()
broker.authenticate = (_client, username, password, done) => {
  done(null, username === 'mproxy' && password?.toString() === expected)
}
const server = createServer(broker.handle)
server.listen(port, '127.0.0.1')

const stop = () => {
  broker.close()
  server.close(() => process.exit(0))
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
process.on('disconnect', stop)
