// Kinds of parsed JSON values.

/** True for an object; an array and null are none. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
