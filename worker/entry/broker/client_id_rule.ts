// MQTT_CLIENT_ID_RULE of mProxy as `npm start` sets it. In a new folder no fleet has sessions at
// the broker, so the stricter rule holds from the first client on; the folder keeps that. A folder
// of before, which keeps nothing, goes on without it: its apps would be refused, and lose the
// messages that wait for them. Imports nothing of the worker.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type HostVariables, hostFolder } from './host_folder.ts'

/** Looked at before any program makes something; `keep` writes once the folder is there. */
export function clientIdRule(env: HostVariables): { rule: string | undefined; keep: () => void } {
  const said = env['MQTT_CLIENT_ID_RULE']?.trim()
  const folder = hostFolder(env)
  const file = join(folder, 'client_id_rule')
  const nothing = () => {}
  if (said) return { rule: said, keep: nothing }
  if (existsSync(file)) return { rule: readFileSync(file, 'utf8').trim(), keep: nothing }
  // A database elsewhere may have people already, whose apps have sessions.
  if (existsSync(folder) || env['DATABASE_URL']?.trim()) return { rule: undefined, keep: nothing }
  return {
    rule: 'application',
    keep() {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeFileSync(file, 'application\n')
    },
  }
}
