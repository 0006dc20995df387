// EMAIL_LAYOUT: the file of a deployment's own layout of mails, read and judged at start.
import { readFileSync } from 'node:fs'
import { type EnvironmentFault, readVariable, VARIABLES } from '../../environment.ts'
import { readLayout } from '../../pages/mail/own_layout.ts'

/** The text of the layout, null without one; and every fault of it. */
export function readLayoutFile(env: Readonly<Record<string, string | undefined>>): {
  text: string | null
  faults: EnvironmentFault[]
} {
  const file = readVariable('EMAIL_LAYOUT', env)
  if (file === undefined) return { text: null, faults: [] }
  const fault = (problem: string): EnvironmentFault => ({
    name: 'EMAIL_LAYOUT',
    problem,
    example: VARIABLES.EMAIL_LAYOUT.example,
  })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    return { text: null, faults: [fault(`names ${file}, which cannot be read (${code})`)] }
  }
  const read = readLayout(text)
  return { text, faults: 'faults' in read ? read.faults.map(fault) : [] }
}
