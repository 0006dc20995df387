// A database that is given back has the rows of its template and nothing of the test before.
import { cpSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createClient } from '@libsql/client/web'
import Database from 'libsql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LentDatabase } from './lent_database.ts'
import { temporaryFolder } from './support/folder.ts'

const { path: folder, remove } = temporaryFolder()
const template = join(folder, 'template.db')
const file = join(folder, 'lent.db')

const TABLES = ['author', 'book', 'note', 'sqlite_sequence']
const rowsOf = (path: string) => {
  const db = new Database(path, {})
  const rows = TABLES.map((table) => db.prepare(`select * from ${table}`).raw(true).all([]))
  db.close()
  return rows
}

const database = () => new LentDatabase(template, file)

/** A client of the database, behind a server of its own. */
async function served<T>(lent: LentDatabase, use: (client: ReturnType<typeof createClient>) => T) {
  const server = createServer((request, response) =>
    lent.service.answer(request, response, request.url ?? '/'),
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  const client = createClient({ url: `http://127.0.0.1:${port}` })
  const answer = await use(client)
  server.closeAllConnections()
  server.close()
  return answer
}

beforeAll(() => {
  const db = new Database(template, {})
  db.exec(`
    create table note (about text);
    create table author (name text primary key);
    create table book (
      id integer primary key autoincrement, author text not null references author (name)
    );
    create trigger noted after insert on book begin insert into note values (new.author); end;
    create trigger forgotten after delete on book begin delete from note; end;
    insert into author values ('Herbert');
    insert into book (author) values ('Herbert'), ('Herbert');
    delete from note where rowid = 2;
  `)
  db.close()
})
afterAll(remove)

test('rows that were added, changed or removed are those of the template again', async () => {
  const lent = database()
  for (const script of [
    "insert into author values ('Austen'); insert into book (author) values ('Austen');",
    "update author set name = 'Frank' where name = 'Austen'; delete from note;",
    'delete from book; delete from author;',
  ]) {
    await served(lent, (client) => client.executeMultiple(`pragma foreign_keys = off; ${script}`))
    expect(rowsOf(file), script).not.toEqual(rowsOf(template))
    expect(await lent.renew()).toBe(true)
    expect(rowsOf(file), script).toEqual(rowsOf(template))
    expect(lent.service.requests()).toBe(0)
  }
  await lent.discard()
})

test('a transaction that is left open is rolled back, and holds nothing up', async () => {
  const lent = database()
  await served(lent, async (client) => {
    const transaction = await client.transaction('write')
    await transaction.execute("insert into author values ('Austen')")
  })
  expect(await lent.renew()).toBe(true)
  expect(rowsOf(file)).toEqual(rowsOf(template))
  await lent.discard()
})

test.each([
  'create table other (a)',
  'create trigger other after insert on author begin delete from note; end',
  'drop trigger noted',
  'alter table note add column other',
  'drop table note',
])('a database is not lent again after %s', async (sql) => {
  const lent = database()
  await served(lent, (client) => client.execute(sql))
  expect(await lent.renew()).toBe(false)
  await lent.discard()
  cpSync(template, file)
})
