// The worker on Deno: deno run -A --node-modules-dir=manual worker/entry/deno.ts
import { runProgram } from './cannot_start.ts'
import { explainListen, logToStderr, startHost } from './host.ts'

declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen(address: { port: number }): void },
    handler: (
      request: Request,
      info: { remoteAddr: { hostname?: string } },
    ) => Response | Promise<Response>,
  ): { shutdown(): Promise<void> }
}

await runProgram(async () => {
  const host = await startHost(process.env, logToStderr)
  const { config } = host
  let server: ReturnType<typeof Deno.serve>
  try {
    server = Deno.serve(
      {
        hostname: config.host,
        port: config.port,
        onListen: ({ port }) => {
          const address = `http://${config.host}:${port}`
          console.log(`AllAuth on Deno listens on ${address}, issuer ${config.issuer}`)
        },
      },
      (request, { remoteAddr }) => host.fetch(request, remoteAddr.hostname ?? ''),
    )
  } catch (error) {
    await host.close()
    throw explainListen(error, config.host, config.port)
  }
  const stop = async () => {
    await server.shutdown()
    await host.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
})
