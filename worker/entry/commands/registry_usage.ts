// The commands about devices and access, each with its words: the help shows them, and registry.ts
// has what they do.

const PAGE = '[--limit N] [--cursor C]'
const FILTERED = `[--filter NAME=VALUE ...] ${PAGE}`

export const REGISTRY_USAGE = {
  'device list': FILTERED,
  'device get': 'ID',
  'device import': 'FILE [--dry-run] [--resume TOKEN]',
  'device suspend': 'ID',
  'device activate': 'ID',
  'device release': 'ID',
  'device tag': 'ID [--tag T ...] [--untag T ...]',
  'device move': 'ID --to GROUP [--from GROUP]',
  'device rotate': 'ID --by TIME',
  'device report': 'ID',
  'device self': 'ID',
  'device keys': `ID ${PAGE}`,
  'type list': PAGE,
  'type get': 'NAME',
  'type create': 'NAME [--file F]',
  'type change': 'NAME --file F',
  'type delete': 'NAME',
  'type rotate': 'NAME --by TIME',
  'device-ca list': PAGE,
  'device-ca create': 'NAME FILE [--type T] [--group G]',
  'device-ca disable': 'ID',
  'device-ca enable': 'ID',
  'device-ca delete': 'ID',
  'claim-token create':
    '--type T [--group G] [--max-uses N] [--expires-in S] [--again keep|reset] [--name N]',
  'claim-token list': PAGE,
  'claim-token get': 'ID',
  'claim-token revoke': 'ID [--keep]',
  'group list': PAGE,
  'group get': 'ID',
  'group create': 'ID --kind K [--name N] [--parent G]',
  'group move': 'ID --to GROUP',
  'group delete': 'ID',
  'group add': 'GROUP MEMBER',
  'group remove': 'GROUP MEMBER',
  'grant list': FILTERED,
  'grant create': 'SUBJECT ROLE OBJECT',
  'grant delete': 'ID',
  'transfer offer':
    'PLACE --to ADDRESS [--role R] [--locale L] [--expires-in S] [--end-keys] [--end-tokens] [--dry-run]',
  'transfer get': 'PLACE',
  'transfer withdraw': 'PLACE',
  'access check': 'SUBJECT ACTION OBJECT [--file CONTEXT]',
  'access explain': 'SUBJECT ACTION OBJECT [--file CONTEXT]',
  'access search':
    'subject|resource|action SUBJECT ACTION OBJECT [--file CONTEXT] [--limit N] [--cursor C]',
  'access of': `ID ${PAGE}`,
  'access to': `ID ${PAGE}`,
  'access preview': '--file CHANGE',
  'status list': '',
  'status get': 'ID',
  'status look': 'LIST IDX',
  'job create':
    'suspend|activate|tag|untag|move|rotate --filter NAME=VALUE ... [--tag T ...] [--from G] [--to G] [--by TIME] [--dry-run]',
  'job run': '',
  'job list': PAGE,
  'job get': 'ID',
  'job results': `ID ${PAGE}`,
  'job cancel': 'ID',
  'job undo': 'ID',
} as const

export type RegistryCommand = keyof typeof REGISTRY_USAGE

export const isRegistryCommand = (name: string): name is RegistryCommand =>
  Object.hasOwn(REGISTRY_USAGE, name)

const NOTES = `  TIME is 2030-01-31, 2030-01-31T12:00Z, or epoch seconds. SUBJECT and OBJECT of access are KIND:ID, such as user:ann,
  device:lamp-1 or topic:sites/1/state; in a search "-" stands for what is looked for, after its kind: device:-.
  --file names a file of JSON as /v1 and /access/v1 take it. status get has the entry of a device, client, authorization
  or minted token, and status look says what became of a place that a token names.
`

export const registryHelp = (): string =>
  `${Object.entries(REGISTRY_USAGE)
    .map(([name, words]) => `  ${name} ${words}`.trimEnd())
    .join('\n')}\n${NOTES}`
