// What a parsed JSON value is.

/** Whether it is an object, which no array is and null is not. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
