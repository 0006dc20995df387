// A certificate that is registered as a credential (`x509`): by itself in PEM, or by its thumbprint
// alone. Pure.
import { z } from '../../api.ts'
import { certificatesOfPem, thumbprintOfText } from '../../keys/certificate.ts'
import { deviceJwkSchema, type JwkInput } from '../jwk.ts'
import { PEM_MAX, readPem } from '../pem.ts'

/** The members beside `kind` and times. */
export const certificateMembers = {
  certificate: z
    .string()
    .max(PEM_MAX)
    .optional()
    .describe('the certificate in PEM; the credential ends with it at the latest'),
  thumbprint: z
    .string()
    .max(200)
    .optional()
    .describe('or SHA-256 of its DER form alone, in hexadecimal or base64url'),
}

type CertificateInput = {
  certificate?: string | undefined
  thumbprint?: string | undefined
  not_before?: number | undefined
  expires_at?: number | undefined
}

/** The credential as it is kept. `jwk`: its key, to be judged further; null where it is unknown. */
export function asCertificate(input: CertificateInput, refinement: z.RefinementCtx) {
  const fault = (member: 'certificate' | 'thumbprint', message: string) => {
    refinement.addIssue({ code: 'custom', path: [member], message })
    return z.NEVER
  }
  const { not_before, expires_at } = input
  const times = {
    ...(not_before === undefined ? {} : { not_before }),
    ...(expires_at === undefined ? {} : { expires_at }),
  }
  if ((input.certificate === undefined) === (input.thumbprint === undefined)) {
    return fault('certificate', 'is needed, or thumbprint, one of the two')
  }
  if (input.certificate === undefined) {
    const thumbprint = thumbprintOfText(input.thumbprint ?? '')
    if (thumbprint === null) {
      return fault('thumbprint', 'must be 32 bytes (SHA-256) in hexadecimal or base64url')
    }
    return {
      ...{ kind: 'x509' as const, thumbprint, issuer: null, serial: null, not_after: null },
      ...{ jwk: null, ...times },
    }
  }
  const read = readKey(input.certificate)
  if ('fault' in read) return fault('certificate', read.fault)
  const found = certificatesOfPem(input.certificate)
  if ('fault' in found) return fault('certificate', found.fault)
  const [one] = found
  if (one === undefined) return fault('certificate', 'is no well-formed certificate')
  const { thumbprint, issuer, serial, not_after } = one
  return {
    ...{ kind: 'x509' as const, thumbprint, issuer, serial, not_after },
    jwk: read.jwk,
    not_before: Math.max(not_before ?? 0, one.not_before),
    expires_at: Math.min(expires_at ?? Infinity, not_after),
  }
}

/** The key in a certificate, as for a credential of kind `jwk`. */
function readKey(pem: string): { jwk: JwkInput } | { fault: string } {
  const read = readPem(pem)
  if ('fault' in read) return read
  if (read.request !== null) return { fault: 'is a request: take CERTIFICATE' }
  const judged = deviceJwkSchema.safeParse(read.jwk)
  if (judged.success) return { jwk: judged.data }
  return { fault: judged.error.issues.map(({ message }) => message).join('; ') }
}
