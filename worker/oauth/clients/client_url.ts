// Addresses as ids of clients that nobody registers: each is the address of a document about the
// client (draft-ietf-oauth-client-id-metadata-document §3). The document is
// registration/client_id_metadata_document.ts's.

/** Longest address, in characters. */
export const CLIENT_URL_MAX = 512

/**
 * §3: https, with a path, and nothing that parsers could read differently: no fragment, user or dot
 * segments, and only one way to write it.
 */
export function isClientUrl(text: string): boolean {
  if (!text.startsWith('https://') || text.length > CLIENT_URL_MAX) return false
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('#') || !URL.canParse(text)) return false
  const { href, pathname, username, password } = new URL(text)
  return href === text && pathname !== '/' && username === '' && password === ''
}
