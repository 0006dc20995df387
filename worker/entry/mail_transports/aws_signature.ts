// Signature of a request to AWS (Signature Version 4), as far as SES needs it: a POST with a body
// and no query.
const utf8 = new TextEncoder()

const hex = (bytes: ArrayBuffer): string =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('')

const sha256Hex = async (text: string): Promise<string> =>
  hex(await crypto.subtle.digest('SHA-256', utf8.encode(text)))

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, utf8.encode(text)))
}

export type AwsKey = { region: string; access_key_id: string; secret_access_key: string }

/** The headers that sign a POST of JSON to a service of AWS. */
export async function signedHeaders(
  { region, access_key_id, secret_access_key }: AwsKey,
  service: string,
  url: URL,
  body: string,
  at: Date,
): Promise<Record<string, string>> {
  const stamp = at.toISOString().replace(/[-:]|\.\d+/g, '')
  const day = stamp.slice(0, 8)
  const signed = { 'content-type': 'application/json', host: url.host, 'x-amz-date': stamp }
  const names = Object.keys(signed).join(';')
  const canonical = [
    'POST',
    url.pathname,
    '',
    ...Object.entries(signed).map(([name, value]) => `${name}:${value}`),
    '',
    names,
    await sha256Hex(body),
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  let key: Uint8Array<ArrayBuffer> = utf8.encode(`AWS4${secret_access_key}`)
  for (const part of [day, region, service, 'aws4_request']) key = await hmac(key, part)
  const text = ['AWS4-HMAC-SHA256', stamp, scope, await sha256Hex(canonical)].join('\n')
  const signature = hex((await hmac(key, text)).buffer)
  return {
    'Content-Type': signed['content-type'],
    'X-Amz-Date': stamp,
    Authorization: `AWS4-HMAC-SHA256 Credential=${access_key_id}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  }
}
