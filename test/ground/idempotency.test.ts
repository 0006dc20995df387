// Idempotency-Key before a route of a test's own.
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { idempotency } from '../../worker/api/idempotency.ts'
import { problemResponse } from '../../worker/api.ts'
import type { Context } from '../../worker/context.ts'
import { DatabaseUnavailable } from '../../worker/db/database.ts'
import { Problem } from '../../worker/errors.ts'
import type { Env } from '../../worker/http.ts'
import { ISSUER, startWorker } from '../context.ts'

test('a request that lost its database is refused while it may still be worked on, and can then be repeated', async () => {
  const worker = await startWorker()
  let database: 'there' | 'dying' | 'gone' = 'dying'
  let made = 0
  const app = new Hono<Env>()
  app.use(async (c, next) => {
    const cx = worker.context()
    const write: Context['db']['write'] = (batch) => {
      if (database === 'gone') throw new DatabaseUnavailable('gone')
      return cx.db.write(batch)
    }
    c.set('cx', { ...cx, db: { ...cx.db, write } })
    await next()
  })
  app.post('/v1/things', idempotency, (c) => {
    made++
    if (database === 'dying') database = 'gone'
    return database === 'gone' ? c.body(null, 503) : c.json({ made }, 201)
  })
  app.onError((error, c) =>
    error instanceof Problem ? problemResponse(c, error) : c.body(null, 503),
  )
  const post = async () =>
    app.request(`${ISSUER}/v1/things`, {
      method: 'POST',
      body: '{}',
      headers: { 'idempotency-key': 'k' },
    })
  expect((await post()).status).toBe(503)
  database = 'there'
  expect((await post()).status).toBe(409)
  worker.clock.now += 60
  expect(await (await post()).json()).toEqual({ made: 2 })
  worker.clock.now += 86_399
  expect(await (await post()).json()).toEqual({ made: 2 })
  worker.clock.now += 1
  expect(await (await post()).json()).toEqual({ made: 3 })
})
