// Texts that people decide about, for tests.
import { addVersion, createConsent } from '../../worker/identity/consents/consents.ts'
import type { TestWorker } from '../context.ts'
import { type Browser, formFields, type Page } from '../identity/browser.ts'

export const textsOf = (words: string) => ({
  en: { title: 'Terms of use', text: `${words}\n\nThe second paragraph.` },
  de: { title: 'Nutzungsbedingungen', text: `Auf Deutsch: ${words}` },
})

/** Publishes a required text, whose version `1` is demanded at once. */
export const publishTerms = (worker: TestWorker, { key = 'terms', required = true } = {}) =>
  createConsent(worker.context(), {
    key,
    required,
    versions: [{ version: '1', texts: textsOf(`The ${key}, version 1.`) }],
  })

export const publishVersion = (
  worker: TestWorker,
  version: string,
  { key = 'terms', demanded_from }: { key?: string; demanded_from?: number } = {},
) =>
  addVersion(
    worker.context(),
    key,
    {
      version,
      texts: textsOf(`The ${key}, version ${version}.`),
      ...(demanded_from === undefined ? {} : { demanded_from }),
    },
    null,
  )

/** Accepts the text that a page of /continue asks about. */
export const accept = (browser: Browser, page: Page): Promise<Page> =>
  browser.post('/continue', { ...formFields(page), action: 'accept' })
