// Before the tests over files: the templates are made, whose copies file.ts opens.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { makeTemplates, type Templates } from './templates.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** With the folder for their copies. */
    databaseTemplates: Templates & { folder: string }
  }
}

export default async function setup(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'allauth-templates-'))
  project.provide('databaseTemplates', { ...(await makeTemplates(folder)), folder })
  return () => rmSync(folder, { recursive: true, force: true })
}
