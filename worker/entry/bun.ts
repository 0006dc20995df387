// The worker on Bun: bun worker/entry/bun.ts
import { runProgram } from './cannot_start.ts'
import { explainListen, logToStderr, startHost } from './host.ts'

type BunServer = {
  port: number
  requestIP(request: Request): { address: string } | null
  stop(): Promise<void>
}
declare const Bun: {
  serve(options: {
    hostname: string
    port: number
    idleTimeout: number
    maxRequestBodySize: number
    fetch(request: Request, server: BunServer): Response | Promise<Response>
  }): BunServer
}

await runProgram(async () => {
  const host = await startHost(process.env, logToStderr)
  const { config } = host
  let server: BunServer
  try {
    server = Bun.serve({
      hostname: config.host,
      port: config.port,
      idleTimeout: 30,
      // app.ts limits each body but that of an import.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: (request, server) => host.fetch(request, server.requestIP(request)?.address ?? ''),
    })
  } catch (error) {
    await host.close()
    throw explainListen(error, config.host, config.port)
  }
  console.log(
    `AllAuth on Bun listens on http://${config.host}:${server.port}, issuer ${config.issuer}`,
  )
  const stop = async () => {
    await server.stop()
    await host.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
})
