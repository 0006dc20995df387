// The endpoint by which a device comes in by itself, with a claim token:
//   /devices/claim
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, noStore, readJson, wrongMethod } from '../../http.ts'
import { logRefusal } from '../../refusal_log.ts'
import { claimDevice } from './claims.ts'

/** Database round trips, warm: 2. */
export function claimRoutes(): Hono<Env> {
  return new Hono<Env>()
    .post('/devices/claim', async (c) => {
      noStore(c)
      const { cx } = c.var
      try {
        const { is_new, ...claimed } = await claimDevice(cx, await readJson(c))
        const token_endpoint = `${cx.config.issuer}/oauth/token`
        return c.json({ ...claimed, token_endpoint, server_time: cx.now() }, is_new ? 201 : 200)
      } catch (error) {
        // A device without a clock learns the time, and asks again.
        if (!(error instanceof OAuthError) || error.reason !== 'claim_clock') throw error
        logRefusal(cx, error)
        const { error: code, description } = error
        const answer = { error: code, error_description: description, server_time: cx.now() }
        return c.json(answer, error.status)
      }
    })
    .all('/devices/claim', (c) => wrongMethod(c, 'POST'))
}
