// Long passwords that guessers try first (NIST SP 800-63B-4 §3.1.1.2). The whole password is
// compared: common words inside a longer password make it no worse.

/**
 * Lower case, letters and digits only. Passwords with 15 or more characters that are counted most
 * often in leaks.
 */
const COMMON = new Set(
  `passwordpassword passwordpassword1 password12345678 password123456789 password1234567890
  passwordpasswordpassword mypasswordispassword thisismypassword thisisapassword thisismypassword1
  thisisthepassword iloveyouiloveyou iloveyousomuch1 iloveyouforever1 administrator123
  administrator1234 administrator12345 adminadminadmin administratoradministrator
  letmeinletmeinletmein letmein12345678 welcome12345678 welcomewelcome1 changemechangeme
  changemeplease1 changethispassword defaultpassword defaultpassword1 temporarypassword
  supersecretpassword secretpassword1 secretpassword123 verysecretpassword mysecretpassword
  monkeymonkeymonkey dragondragondragon footballfootball
  baseballbaseball princessprincess sunshinesunshine superman12345678 qwerty123456789
  qwerty1234567890 abc123abc123abc123 1q2w3e4r5t6y7u8i 1q2w3e4r5t6y7u8i9o 1q2w3e4r5t6y7u8i9o0p
  1qaz2wsx3edc4rfv 1qaz2wsx3edc4rfv5tgb qazwsxedcrfvtgb qazwsxedcrfvtgbyhnujm zaq12wsxcde34rfv
  q1w2e3r4t5y6u7i8 q1w2e3r4t5y6u7i8o9p0 a1b2c3d4e5f6g7h8 aa123456aa123456 trustno1trustno1
  opensesameopensesame jesuschristislord godisgoodallthetime`.split(/\s+/),
)

/**
 * Rows of the keyboard, the alphabet and the digits; read in both directions, and repeated at will.
 */
const ROWS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890123456789',
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
].flatMap((row) => [row, [...row].reverse().join('')])

const PRODUCT = 'allauth'

/**
 * True for a common password, a short piece repeated, a row of the keyboard, and for the name of
 * the account or of the product with hardly anything besides (up to three letters; digits and signs
 * do not count).
 */
export function isGuessable(password: string, email: string): boolean {
  const plain = password.normalize('NFKC').toLowerCase()
  const text = plain.replaceAll(/[^\p{L}\p{N}]/gu, '')
  if (COMMON.has(text) || isRepeated(plain)) return true
  if (text.length > 10 && (isRepeated(text) || ROWS.some((row) => (row + row).includes(text)))) {
    return true
  }
  const account = (email.split('@')[0] ?? '').normalize('NFKC').toLowerCase()
  const names = [PRODUCT, account.replaceAll(/[^\p{L}\p{N}]/gu, '')].filter(
    (name) => name.length > 2,
  )
  const left = names.reduce((rest, name) => rest.replaceAll(name, ''), text)
  return left !== text && left.replaceAll(/\P{L}/gu, '').length <= 3
}

/**
 * True for one piece, repeated, of at most a third of the text and eight characters; the last one
 * may be cut.
 */
function isRepeated(text: string): boolean {
  for (let size = 1; size <= Math.min(8, text.length / 3); size++) {
    if (text.startsWith(text.slice(size)) && text.length > size) return true
  }
  return false
}
