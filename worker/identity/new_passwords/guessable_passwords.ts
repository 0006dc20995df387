// Passwords that guessers try first (NIST SP 800-63B-4 §3.1.1.2). The whole password is compared:
// common words inside a longer password make it no worse.

/**
 * Lower case, letters and digits only. Passwords that are counted most often in leaks: short ones,
 * where a setting or a second factor permits them, and those with 15 or more characters.
 */
const COMMON = new Set(
  `password1 password12 password123 password1234 password12345 passw0rd passw0rd1 passw0rd123
  pssw0rd pssw0rd1 pssw0rd123 pssword1 pssword123 qwerty12 qwerty123 qwerty1234 qwerty12345
  qwerty123456 qwertyuiop1 qwer1234 asdf1234 zxcvbnm1 zxcvbnm123 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y
  1qaz2wsx 1qaz2wsx3edc zaq12wsx q1w2e3r4 q1w2e3r4t5 qazwsxedc qazwsx123 a1b2c3d4 a1b2c3d4e5 abc12345
  abcd1234 abcde12345 abcdef123 abc123456 123456abc aa123456 asd123456 qwe123456 123qweasd
  iloveyou iloveyou1 iloveyou2 iloveyou123 sunshine sunshine1 princess princess1 football football1
  baseball baseball1 basketball superman superman1 batman123 pokemon1 starwars starwars1 whatever
  whatever1 trustno1 letmein1 letmein123 welcome1 welcome12 welcome123 welcome1234 admin123 admin1234
  admin12345 administrator changeme changeme1 changeme123 default1 default123 secret12 secret123
  master123 dragon123 monkey123 shadow123 killer123 hello123 hello1234 login123 guest123 test1234
  test12345 user1234 pass1234 pass12345 root1234 computer computer1 internet samsung1 samsung123
  liverpool liverpool1 chelsea1 arsenal1 barcelona juventus michael1 jennifer jessica1 michelle
  charlie1 jordan23 ashley123 daniel123 summer2023 summer2024 summer2025 summer2026 winter2023
  winter2024 winter2025 winter2026 spring2024 spring2025 spring2026 autumn2024 autumn2025 autumn2026
  passwort passwort1 passwort123 hallo123 schatz123 motdepasse motdepasse1 azerty123 azertyuiop1
  contrasena contraseña contrasena1 haslo123 zaq1xsw2 polska123
  passwordpassword passwordpassword1 password12345678 password123456789 password1234567890
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
  if (text.length > 7 && (isRepeated(text) || ROWS.some((row) => (row + row).includes(text)))) {
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
