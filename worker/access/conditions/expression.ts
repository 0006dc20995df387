// Conditions of grants: expressions in CEL (https://cel.dev) over the subject, the device, the
// group, the time and the words of a caller. Here they are read, checked when they are saved, and
// evaluated. Has no table: the text is a column of `grant`. Leaves to acl_claim.ts and
// evaluation.ts where one is asked, and what it means that it cannot be judged.
// A condition comes from somebody with power over grants, and its values from anybody. So only a
// part of the language is taken, in which the work is bounded by the text and the values: no
// regular expression, nothing that builds a list, and no loop within a loop.
import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js'
import { z } from '../../api.ts'

/** Values of one question. A part that is missing makes an expression that reads it fail. */
export type ConditionValues = {
  subject: { id: string; kind: string }
  device?:
    | { id: string; type: string; tags: readonly string[]; metadata: Record<string, unknown> }
    | undefined
  group?: { id: string; kind: string } | undefined
  /** Epoch seconds. Only where the answer is for this moment alone. */
  now?: number | undefined
  context?: Record<string, unknown> | undefined
}

const TEXT_MAX = 1000
const NODES_MAX = 100
const DEPTH_MAX = 16
const LIST_MAX = 50
const REMEMBERED_MAX = 2000

/** Larger values of a caller are refused, since a loop of an expression goes through them. */
export const CONTEXT_MAX = 16_384

const VARIABLES = ['subject', 'device', 'group', 'now', 'context']
const WITH_MEMBERS = ['subject', 'device', 'group']
const FUNCTIONS = ['has', 'size', 'string', 'int', 'double', 'timestamp', 'duration']
const LOOPS = ['exists', 'exists_one', 'all']
const METHODS = [
  ...LOOPS,
  ...['contains', 'startsWith', 'endsWith', 'size'],
  ...['getFullYear', 'getMonth', 'getDate', 'getDayOfWeek', 'getHours', 'getMinutes'],
]
const OPERATORS = ['==', '!=', 'in', '<', '<=', '>', '>=', '+', '-', '&&', '||', '[]']

let made: Environment | undefined
const environment = (): Environment => {
  made ??= new Environment({
    limits: {
      maxAstNodes: NODES_MAX,
      maxDepth: DEPTH_MAX,
      maxListElements: LIST_MAX,
      maxMapEntries: 1,
      maxCallArguments: 3,
    },
  })
    .registerVariable('subject', { schema: { id: 'string', kind: 'string' } })
    .registerVariable('device', {
      schema: { id: 'string', type: 'string', tags: 'list<string>', metadata: 'map<string, dyn>' },
    })
    .registerVariable('group', { schema: { id: 'string', kind: 'string' } })
    .registerVariable('now', 'google.protobuf.Timestamp')
    .registerVariable('context', 'map<string, dyn>')
  return made
}

/** `reads`: the values that it reads, such as `device.type`, `device.metadata.floor` or `now`. */
type Expression = { run: ParseResult; reads: readonly string[] }

/** Values alone: an expression is the same for each request of the process. */
const remembered = new Map<string, Expression | { fault: string }>()

function expressionOf(text: string): Expression | { fault: string } {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const read = readExpression(text)
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  remembered.set(text, read)
  return read
}

function readExpression(text: string): Expression | { fault: string } {
  if (text.length > TEXT_MAX) return { fault: `is longer than ${TEXT_MAX} characters` }
  try {
    const run = environment().parse(text)
    const reads = new Set<string>()
    const fault = faultOf(run.ast, reads, [], false)
    if (fault !== null) return { fault }
    const { valid, type, error } = run.check()
    if (!valid) return { fault: `is no condition: ${summaryOf(error)}` }
    if (type !== 'bool' && type !== 'dyn') return { fault: `gives ${type}, not true or false` }
    return { run, reads: [...reads].sort() }
  } catch (error) {
    return { fault: `cannot be read: ${summaryOf(error)}` }
  }
}

function summaryOf(error: unknown): string {
  const { summary, message } = error as { summary?: string; message?: string }
  return String(summary ?? message ?? 'it is not understood').slice(0, 200)
}

/** The first part that is not taken, in words, or null. Notes the values that are read. */
function faultOf(
  node: ASTNode,
  reads: Set<string>,
  bound: readonly string[],
  inLoop: boolean,
): string | null {
  const all = (nodes: readonly ASTNode[]): string | null => {
    for (const one of nodes) {
      const fault = faultOf(one, reads, bound, inLoop)
      if (fault !== null) return fault
    }
    return null
  }
  switch (node.op) {
    case 'value':
      return null
    case 'id': {
      if (bound.includes(node.args)) return null
      if (!VARIABLES.includes(node.args))
        return `reads ${node.args}; there are ${VARIABLES.join(', ')}`
      if (WITH_MEMBERS.includes(node.args)) return `reads ${node.args} whole; name a member of it`
      reads.add(node.args)
      return null
    }
    case '.': {
      const path = pathOf(node)
      if (path === null || bound.includes(path[0] ?? '')) return all([node.args[0]])
      const [root = '', member = '', name] = path
      if (!WITH_MEMBERS.includes(root)) return all([node.args[0]])
      reads.add(
        member === 'metadata' && name !== undefined
          ? `${root}.metadata.${name}`
          : `${root}.${member}`,
      )
      return null
    }
    case 'list':
      return all(node.args)
    case '?:':
      return all(node.args)
    case '!_':
      return all([node.args])
    case '-_':
      return all([node.args])
    case 'call': {
      const [name, args] = node.args
      return FUNCTIONS.includes(name) ? all(args) : `uses ${name}(), which conditions do not have`
    }
    case 'rcall': {
      const [name, on, args] = node.args
      if (!METHODS.includes(name)) return `uses ${name}(), which conditions do not have`
      if (!LOOPS.includes(name)) return all([on, ...args])
      if (inLoop) return 'has a loop within a loop'
      const [variable, ...rest] = args
      if (variable?.op !== 'id') return `has no name for the elements of ${name}()`
      if (VARIABLES.includes(variable.args))
        return `names the elements ${variable.args}, which is taken`
      const within = [...bound, variable.args]
      return (
        all([on]) ??
        rest.map((one) => faultOf(one, reads, within, true)).find((fault) => fault !== null) ??
        null
      )
    }
    default:
      return OPERATORS.includes(node.op)
        ? all(node.args as readonly ASTNode[])
        : `uses ${node.op}, which conditions do not have`
  }
}

/** The names of `a.b.c`, or null where it begins with something else than a name. */
function pathOf(node: ASTNode): string[] | null {
  if (node.op === 'id') return [node.args]
  if (node.op !== '.') return null
  const before = pathOf(node.args[0])
  return before === null ? null : [...before, node.args[1]]
}

/** The member `condition` of a grant. */
export const conditionSchema = z
  .string()
  .superRefine((text, issues) => {
    const read = expressionOf(text)
    if (!('fault' in read)) return
    issues.addIssue({ code: 'custom', message: `the condition ${read.fault}` })
  })
  .describe(
    'when the grant holds, in CEL, over subject, device, group, now and context, ' +
      'such as device.type == "lock"',
  )
  .openapi({ example: 'device.type == "lock"' })

/** The values that the condition reads, sorted; none where it is not understood. */
export function readsOf(condition: string): readonly string[] {
  const read = expressionOf(condition)
  return 'fault' in read ? [] : read.reads
}

/** True when it reads the moment or the caller's words: then it says nothing about a token. */
export const isOfMoment = (condition: string): boolean =>
  readsOf(condition).some((one) => one === 'now' || one === 'context')

/** True when it reads something of the device, or of the group. */
export const readsDevice = (condition: string): boolean => readsAny(condition, 'device.')
export const readsGroup = (condition: string): boolean => readsAny(condition, 'group.')

const readsAny = (condition: string, prefix: string): boolean =>
  readsOf(condition).some((one) => one.startsWith(prefix))

/**
 * Whether it holds for these values; null when that cannot be said, since a value is missing or of
 * another kind, or since the text is not understood.
 */
export function holds(condition: string, values: ConditionValues): boolean | null {
  const read = expressionOf(condition)
  if ('fault' in read) return null
  const { subject, device, group, now, context } = values
  try {
    const result: unknown = read.run({
      subject,
      ...(device === undefined ? {} : { device }),
      ...(group === undefined ? {} : { group }),
      ...(now === undefined ? {} : { now: new Date(now * 1000) }),
      ...(context === undefined ? {} : { context }),
    })
    return typeof result === 'boolean' ? result : null
  } catch {
    return null
  }
}
