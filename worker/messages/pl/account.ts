// Polish: the account of a person, and the applications that have access to it.
import type { enAccount } from '../en/account.ts'
import type { TextsOf } from '../text_types.ts'

export const plAccount: TextsOf<typeof enAccount> = {
  'account.title': 'Twoje konto',
  'account.signed_in_as': 'Zalogowano jako',
  'account.sign_out': 'Wyloguj się',
  'account.failed':
    'Od poprzedniej wizyty {count, plural, one {nie powiodła się jedna próba} few {nie powiodły się # próby} many {nie powiodło się # prób} other {nie powiodło się # próby}} logowania do Twojego konta, ostatnia: {time}. Jeśli to nie Ty, zmień hasło.',
  'account.change_email': 'Zmień adres',
  'account.change_password': 'Zmień hasło',
  'account.profile': 'Profil',
  'account.see_profile': 'Zmień imię i nazwisko oraz inne dane',
  'account.security': 'Bezpieczeństwo',
  'account.see_security': 'Klucze dostępu, aplikacje uwierzytelniające i kody zapasowe',
  'account.applications': 'Aplikacje',
  'account.see_applications': 'Zobacz, które aplikacje mają dostęp',
  'account.consents': 'Zgody',
  'account.see_consents': 'Zobacz, na co wyrażono zgodę, i wycofaj ją',
  'account.data': 'Twoje dane',
  'account.see_data': 'Pobierz kopię wszystkiego, co przechowujemy o Tobie',
  'account.close': 'Zamknij konto',
  'account.sessions': 'Miejsca zalogowania',
  'account.this_browser': 'Ta przeglądarka',
  'account.unknown_device': 'Nieznane urządzenie',
  'account.since': 'od {time}',
  'account.since_from': '{address}, od {time}',
  'account.end': 'Wyloguj',
  'account.end_of': 'Wyloguj: {browser}',
  'account.everywhere': 'Wyloguj wszędzie',
  'account.everywhere_hint':
    'Kończy wszystkie sesje, także w tej przeglądarce. Aplikacje, które mają dostęp pod Twoją nieobecność, zachowają go: można go odebrać w sekcji Aplikacje.',

  'applications.title': 'Aplikacje z dostępem',
  'applications.lead': 'W Twoim imieniu mogą:',
  'applications.none': 'Żadna aplikacja nie ma dostępu do Twojego konta.',
  'applications.offline': 'Także pod Twoją nieobecność',
  'applications.since': 'Od {day}',
  'applications.since_and_used': 'Od {day}, ostatnie użycie {time}',
  'applications.withdraw': 'Odbierz dostęp',
  'applications.withdraw_of': 'Odbierz dostęp: {client}',
  'applications.hint': 'Aplikacja, której odebrano dostęp, musi poprosić o niego ponownie.',
  'applications.back': 'Wróć do konta',

  'profile.title': 'Twój profil',
  'profile.save': 'Zapisz',
  'profile.saved': 'Zapisano.',
  'profile.outrun': 'Konto zostało w tym samym czasie zmienione. Sprawdź je i zapisz ponownie.',
  'profile.none': 'Nie ma tu nic do zmiany.',
}
