// The protocol's endpoints. Each file mounts its own; this is their order.
import { Hono } from 'hono'
import type { Env } from '../http.ts'
import { authorizeRoutes } from './authorize/routes.ts'
import { deviceFlowRoutes } from './device_flow/routes.ts'
import { logoutRoutes } from './logout/routes.ts'
import { registrationRoutes } from './registration/routes.ts'
import { serverMetadataRoutes } from './server_metadata_routes.ts'
import { tokenRoutes } from './token/routes.ts'

export function protocolRoutes(): Hono<Env> {
  return new Hono<Env>()
    .route('/', serverMetadataRoutes())
    .route('/', authorizeRoutes())
    .route('/', deviceFlowRoutes())
    .route('/', logoutRoutes())
    .route('/', tokenRoutes())
    .route('/', registrationRoutes())
}
