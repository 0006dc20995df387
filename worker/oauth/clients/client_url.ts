// Ids of clients that nobody registers: the address of a document about themselves
// (draft-ietf-oauth-client-id-metadata-document §3). The document is registration/client_id_metadata_document.ts's.

/** Longest address, in characters. */
export const CLIENT_URL_MAX = 512

/**
 * §3: https, with a path, and nothing in it that readers could differ about: no fragment, user, dot segments, and no
 * other way to write it.
 */
export function isClientUrl(text: string): boolean {
  if (!text.startsWith('https://') || text.length > CLIENT_URL_MAX) return false
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('#') || !URL.canParse(text)) return false
  const { href, pathname, username, password } = new URL(text)
  return href === text && pathname !== '/' && username === '' && password === ''
}
