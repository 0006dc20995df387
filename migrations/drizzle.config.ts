import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: [
    './worker/db/schema.ts',
    './worker/db/people_schema.ts',
    './worker/db/oauth_schema.ts',
    './worker/db/event_schema.ts',
  ],
  out: './.tsbuild/drizzle',
})
