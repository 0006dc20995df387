// Parts that the tests of signing in share: a worker with Ann, and the events that were written.
import { sql } from '../../worker/db/sql.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { Browser, type Page } from './browser.ts'

export const WRONG = 'incorrect horse battery staple'

export async function startWithAnn(env: Record<string, string> = {}) {
  const worker = await startWorker(env)
  const given = { id: 'ann', email: ANN, email_verified: true, password: PASSWORD }
  const ann = await createPerson(worker.context(), given)
  return { worker, ann, browser: new Browser(worker) }
}

/** Whether the browser is signed in, by what it is shown. */
export async function isSignedIn(browser: Browser): Promise<boolean> {
  const page = await browser.get('/account')
  return page.status === 200
}

/** A page without what must differ each time. */
export const comparable = (page: Page): string =>
  page.html
    .replaceAll(/name="csrf" value="[^"]*"/g, 'name="csrf"')
    .replaceAll(/&quot;challenge&quot;:&quot;[^&]*&quot;/g, 'challenge')
    // The name that was typed goes on to the next page.
    .replaceAll(/\?login_hint=[^"&]*/g, '')

export type EventRow = {
  type: string
  outcome: string
  actor_kind: string
  actor_id: string | null
  subject_id: string | null
  address: string
  data: string
}

/** All events, in the order in which they were written. */
export async function eventsOf(worker: TestWorker): Promise<EventRow[]> {
  const rows = await worker.context().db.read(
    sql<EventRow>`select type, outcome, actor_kind, actor_id, subject_id, address, data
        from event order by rowid`,
  )
  return rows
}
