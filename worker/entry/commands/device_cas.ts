// Commands about authorities whose certificates prove devices, each the use case of its operation
// of /v1.
import { existsSync, readFileSync } from 'node:fs'
import {
  authorityInput,
  changeAuthority,
  createAuthority,
  describeAuthority,
  listAuthorities,
  removeAuthority,
} from '../../devices/certificates/authorities.ts'
import { CannotStart } from '../cannot_start.ts'
import type { RegistryCommand } from './registry_usage.ts'
import { type Command, done, idIn, judged, paged, pageIn, pairIn, shown } from './registry_words.ts'

export const DEVICE_CA_COMMANDS = {
  'device-ca list': async (cx, _, options) => paged(await listAuthorities(cx, pageIn(options))),
  async 'device-ca create'(cx, words, { type, group }) {
    const [name, file] = pairIn(words)
    if (!existsSync(file)) throw new CannotStart(`There is no file ${file}.`)
    const certificate = readFileSync(file, 'utf8')
    const input = { name, certificate, device_type: type, group: group?.[0] }
    return shown(describeAuthority(await createAuthority(cx, judged(authorityInput, input))))
  },
  'device-ca disable': async (cx, words) =>
    shown(describeAuthority(await changeAuthority(cx, idIn(words), { enabled: false }, null))),
  'device-ca enable': async (cx, words) =>
    shown(describeAuthority(await changeAuthority(cx, idIn(words), { enabled: true }, null))),
  async 'device-ca delete'(cx, words) {
    await removeAuthority(cx, idIn(words), null)
    return done
  },
} satisfies Partial<Record<RegistryCommand, Command>>
