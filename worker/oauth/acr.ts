// Authentication context classes (OpenID Connect Core §2 `acr`, §3.1.2.1 `acr_values`, §5.5.1.1):
// how strongly a person proved who they are. Read from the methods that they used (RFC 8176). Pure.

/** One factor. */
export const ACR_ONE_FACTOR = 'urn:allauth:acr:pwd'
/** Two different factors. */
export const ACR_TWO_FACTORS = 'urn:allauth:acr:mfa' as const

/** From strong to weak: a sign-in that meets one class meets those after it. */
export const ACR_VALUES: readonly string[] = [ACR_TWO_FACTORS, ACR_ONE_FACTOR]

/** Classes that a new sign-in can reach, if the person has what it needs. */
const REACHED_BY_SIGN_IN: readonly string[] = ACR_VALUES

/** Methods that are a second factor beside a password, or say that there were two. */
const SECOND_FACTORS = ['otp', 'hwk', 'swk']

/** The strongest class of a sign-in with these methods, or null for one without any. */
export function acrOf(amr: readonly string[]): string | null {
  if (amr.length === 0) return null
  const isTwo =
    amr.includes('mfa') ||
    (amr.includes('pwd') && SECOND_FACTORS.some((method) => amr.includes(method)))
  return isTwo ? ACR_TWO_FACTORS : ACR_ONE_FACTOR
}

/** The classes that a sign-in meets, the strongest first. */
function classesOf(amr: readonly string[]): readonly string[] {
  const strongest = acrOf(amr)
  return strongest === null ? [] : ACR_VALUES.slice(ACR_VALUES.indexOf(strongest))
}

/**
 * The class that the ID token names: the first wanted one that the sign-in meets, or else its
 * strongest.
 */
export function acrFor(amr: readonly string[], wanted: readonly string[]): string | null {
  const met = classesOf(amr)
  return wanted.find((acr) => met.includes(acr)) ?? met[0] ?? null
}

/** Whether a sign-in meets one of these classes. */
export const meetsAcr = (amr: readonly string[], demanded: readonly string[]): boolean =>
  demanded.some((acr) => classesOf(amr).includes(acr))

/** Whether a new sign-in could meet one of them. */
export const isReachable = (demanded: readonly string[]): boolean =>
  demanded.some((acr) => REACHED_BY_SIGN_IN.includes(acr))
