// Names that people read: two of them must not look alike because one has characters that nobody
// sees, and none may turn the text around it. Pure.

/** Controls, line ends, lone surrogates, controls of direction, and what is drawn as nothing. */
const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_C}\p{Default_Ignorable_Code_Point}\u2800]/u

/**
 * Hidden characters where writing needs them. Joiners between letters of a script that joins (the
 * others are drawn the same without) and between emoji; choices of a variant behind an emoji, a
 * Han or a Mongolian character; the tags of a flag.
 */
const NEEDED = new RegExp(
  [
    String.raw`(?<=[\p{L}\p{M}])(?<![\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}])` +
      String.raw`[\u200c\u200d](?=[\p{L}\p{M}])`,
    String.raw`(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d` +
      String.raw`(?=\p{Extended_Pictographic})`,
    String.raw`(?<=[\p{Emoji}\p{Extended_Pictographic}])[\ufe0e\ufe0f]`,
    String.raw`(?<=\p{Script=Han})[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]`,
    String.raw`(?<=\p{Script=Mongolian})[\u180b-\u180f]`,
    String.raw`(?<=\u{1f3f4})[\u{e0020}-\u{e007e}]+\u{e007f}`,
  ].join('|'),
  'gu',
)

/** Whether all of a text can be seen, and something of it is more than a space. */
export const isLegible = (text: string): boolean =>
  !HIDDEN.test(text.replaceAll(NEEDED, '')) && /[\p{L}\p{N}\p{P}\p{S}]/u.test(text)
