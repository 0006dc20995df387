// Types of texts: the shape of a language beside English, and the values that a text takes, read
// from its own words.

/** The texts of an area in another language: the same keys, each with a text. */
export type TextsOf<area> = { readonly [key in keyof area]: string }

/** The value that an argument takes, from what stands behind its opening brace. */
type Argument<text> = text extends `${infer name}, ${infer kind}`
  ? name extends `${string} ${string}`
    ? never
    : [
        name,
        kind extends `plural,${string}` | `selectordinal,${string}` | 'number' ? number : string,
      ]
  : text extends '' | `${string} ${string}`
    ? never
    : [text, string]

/** Each argument of a text with the type of its value. */
export type ArgumentsOf<text> = text extends `${string}{${infer rest}`
  ? (rest extends `${infer argument}}${string}` ? Argument<argument> : never) | ArgumentsOf<rest>
  : never
