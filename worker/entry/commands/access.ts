// Commands about access: decisions and their reasons, searches, changes before they are made,
// places that change hands, and the status lists of tokens.
import { accessOf, accessTo } from '../../access/decisions/access_lists.ts'
import { evaluate, evaluationRequest } from '../../access/decisions/evaluation.ts'
import { explainDecision, explainRequest } from '../../access/decisions/explain.ts'
import {
  actionSearchRequest,
  resourceSearchRequest,
  searchActions,
  searchResources,
  searchSubjects,
  subjectSearchRequest,
} from '../../access/decisions/search.ts'
import { previewChange, previewRequest } from '../../access/preview/preview.ts'
import { PLACE_ENDS } from '../../admin/place_ends.ts'
import {
  getTransfer,
  offerTransfer,
  transferInput,
  withdrawOffer,
} from '../../identity/transfers/transfers.ts'
import { describeEntries, statusOfPlace } from '../../status/entries_of_origin.ts'
import { describeLists } from '../../status/lists_in_numbers.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'
import {
  type Command,
  done,
  fileIn,
  idIn,
  judged,
  noneIn,
  numberIn,
  paged,
  pageIn,
  type RegistryOptions,
  said,
  shown,
} from './registry_words.ts'

export const ACCESS_COMMANDS = {
  'access check': async (cx, words, options) =>
    shown(await evaluate(cx, judged(evaluationRequest, questionIn(words, options)))),
  'access explain': async (cx, words, options) =>
    shown(await explainDecision(cx, judged(explainRequest, questionIn(words, options)))),
  async 'access search'(cx, [what, ...words], options) {
    const page = { limit: pageIn(options).limit, token: options.cursor }
    const request = { ...questionIn(words, options), page }
    switch (what) {
      case 'subject':
        return found(await searchSubjects(cx, judged(subjectSearchRequest, request)))
      case 'resource':
        return found(await searchResources(cx, judged(resourceSearchRequest, request)))
      case 'action':
        return found(await searchActions(cx, judged(actionSearchRequest, request)))
      default:
        throw new CannotStart('Say what is looked for: subject, resource or action.')
    }
  },
  'access of': async (cx, words, options) =>
    paged(await accessOf(cx, idIn(words), pageIn(options))),
  'access to': async (cx, words, options) =>
    paged(await accessTo(cx, idIn(words), pageIn(options))),
  async 'access preview'(cx, words, options) {
    noneIn(words)
    said(options.file, '--file CHANGE')
    return shown(await previewChange(cx, judged(previewRequest, fileIn(options))))
  },
  async 'transfer offer'(cx, words, options) {
    const { role, locale, to } = options
    const expires_in = numberIn('expires-in', options['expires-in'])
    const input = judged(transferInput, {
      to: said(to, '--to ADDRESS'),
      ...(role === undefined ? {} : { role }),
      ...(locale === undefined ? {} : { locale }),
      ...(expires_in === undefined ? {} : { expires_in }),
      end_credentials: options['end-keys'] ?? false,
      end_tokens: options['end-tokens'] ?? false,
      dry_run: options['dry-run'] ?? false,
    })
    return shown(await offerTransfer(cx, idIn(words), input, PLACE_ENDS))
  },
  'transfer get': async (cx, words) => shown(await getTransfer(cx, idIn(words), PLACE_ENDS)),
  async 'transfer withdraw'(cx, words) {
    await withdrawOffer(cx, idIn(words))
    return done
  },
  async 'status list'(cx, words) {
    noneIn(words)
    return shown(await describeLists(cx))
  },
  'status get': async (cx, words) =>
    paged({ items: await describeEntries(cx, idIn(words)), next_cursor: null }),
  async 'status look'(cx, [list, idx, ...surplus]) {
    if (list === undefined || idx === undefined) throw new CannotStart('Say LIST and IDX.')
    noneIn(surplus)
    const place = [numberIn('list', list) ?? 0, numberIn('idx', idx) ?? 0] as const
    return shown(await statusOfPlace(cx, ...place))
  },
} satisfies Record<string, Command>

/** `KIND:ID`; the id `-` stands for what is looked for. */
function named(text: string): { type: string; id: string } {
  const at = text.indexOf(':')
  if (at < 1) throw new CannotStart(`${text} is no KIND:ID, such as user:ann.`)
  return { type: text.slice(0, at), id: text.slice(at + 1) }
}

function questionIn(words: readonly string[], options: RegistryOptions) {
  const [subject, action, object, ...surplus] = words
  if (subject === undefined || action === undefined || object === undefined || surplus.length > 0) {
    throw new CannotStart('Say SUBJECT ACTION OBJECT.')
  }
  const context = fileIn(options)
  return {
    subject: named(subject),
    action: { name: action },
    resource: named(object),
    ...(context === undefined ? {} : { context }),
  }
}

const found = (answer: {
  results: readonly object[]
  page: { next_token: string; count: number }
}): CommandAnswer => {
  const { next_token } = answer.page
  const { text } = paged({ items: answer.results, next_cursor: next_token || null })
  return { text, json: answer }
}
