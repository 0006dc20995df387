// Polish: mails.
import type { enMail } from '../en/mail.ts'
import type { TextsOf } from '../text_types.ts'

export const plMail: TextsOf<typeof enMail> = {
  'mail.sender': '{service}',
  'mail.greeting': 'Dzień dobry, {name}!',
  'mail.good_for_days':
    '{count, plural, one {Ważne przez jeden dzień i tylko raz.} few {Ważne przez # dni i tylko raz.} many {Ważne przez # dni i tylko raz.} other {Ważne przez # dnia i tylko raz.}}',
  'mail.good_for_hours':
    '{count, plural, one {Ważne przez jedną godzinę i tylko raz.} few {Ważne przez # godziny i tylko raz.} many {Ważne przez # godzin i tylko raz.} other {Ważne przez # godziny i tylko raz.}}',
  'mail.good_for_minutes':
    '{count, plural, one {Ważne przez jedną minutę i tylko raz.} few {Ważne przez # minuty i tylko raz.} many {Ważne przez # minut i tylko raz.} other {Ważne przez # minuty i tylko raz.}}',
  'mail.copy': 'Jeśli przycisk nie działa, skopiuj ten adres do przeglądarki:',
  'mail.client': 'Nastąpiło przejście z aplikacji {client}.',
  'mail.foot': 'Tę wiadomość wysłał serwis {service}. Nikt nie czyta odpowiedzi na nią.',

  'mail_recovery.subject': 'Ustaw nowe hasło w {service}',
  'mail_recovery.heading': 'Ustaw nowe hasło',
  'mail_recovery.lead':
    'Ten przycisk pozwala ustawić nowe hasło do Twojego konta w {service}. Wszystkie sesje konta zostaną wtedy zakończone.',
  'mail_recovery.button': 'Ustaw nowe hasło',
  'mail_recovery.note':
    'Jeśli to nie Twoja prośba, nie rób nic: hasło się nie zmieni. Nie podawaj nikomu tego linku.',

  'mail_verify_address.subject': 'Potwierdź adres w {service}',
  'mail_verify_address.heading': 'Potwierdź adres',
  'mail_verify_address.lead':
    'Potwierdź, że ten adres należy do Ciebie i do Twojego konta w {service}.',
  'mail_verify_address.button': 'Potwierdź adres',
  'mail_verify_address.note':
    'Jeśli nie masz tam konta, nie rób nic: bez Ciebie adres nie zostanie potwierdzony.',

  'mail_sign_up.subject': 'Twoje konto w {service}',
  'mail_sign_up.heading': 'Dokończ zakładanie konta',
  'mail_sign_up.lead': 'Ktoś, mamy nadzieję, że Ty, chce założyć konto w {service} z tym adresem.',
  'mail_sign_up.button': 'Utwórz konto',
  'mail_sign_up.note': 'Jeśli to nie Ty, nic nie rób: konto nie powstanie.',

  'mail_account_exists.subject': 'Masz już konto w {service}',
  'mail_account_exists.heading': 'Masz już konto',
  'mail_account_exists.lead':
    'Ktoś, mamy nadzieję, że Ty, chciał założyć nowe konto w {service} z tym adresem. Konto już istnieje: zaloguj się albo ustaw tam nowe hasło.',
  'mail_account_exists.button': 'Zaloguj się',
  'mail_account_exists.note': 'Jeśli to nie Ty, nie trzeba nic robić.',

  'mail_address_changed.subject': 'Zmieniono Twój adres w {service}',
  'mail_address_changed.heading': 'Zmieniono Twój adres',
  'mail_address_changed.lead':
    'Twoje konto w {service} ma teraz adres {address}. Ten adres już do niego nie należy.',
  'mail_address_changed.button': 'To nie ja: cofnij zmianę',
  'mail_address_changed.note': 'Jeśli to Twoja zmiana, nie trzeba nic robić.',

  'mail_addresses_changed.subject': 'Zmieniono adresy Twojego konta w {service}',
  'mail_addresses_changed.heading': 'Zmieniono adresy Twojego konta',
  'mail_addresses_changed.added':
    'Do Twojego konta w {service} dodano adres {address}. Można się nim zalogować i ustawić nowe hasło.',
  'mail_addresses_changed.primary':
    'E-maile dotyczące Twojego konta w {service} trafiają odtąd na adres {address}.',

  'mail_sign_in_link.subject': 'Logowanie do {service}',
  'mail_sign_in_link.heading': 'Logowanie',
  'mail_sign_in_link.lead':
    'Ten przycisk zaloguje Cię do {service} w przeglądarce, w której wysłano prośbę.',
  'mail_sign_in_link.button': 'Zaloguj się',
  'mail_sign_in_link.note':
    'Jeśli to nie Twoja prośba, nie rób nic. Nie podawaj nikomu tego linku.',

  'mail_sign_in_code.subject': 'Twój kod do {service}',
  'mail_sign_in_code.heading': 'Twój kod',
  'mail_sign_in_code.lead': 'Wpisz ten kod tam, gdzie {service} o niego pyta:',
  'mail_sign_in_code.note':
    'Jeśli to nie Ty się logujesz, próbuje tego ktoś inny. Nie podawaj nikomu kodu: nikt, kto pracuje dla {service}, nigdy o niego nie pyta.',

  'mail_invitation.subject': 'Zaproszenie do {service}',
  'mail_invitation.heading': 'Masz zaproszenie',
  'mail_invitation.lead': 'Zapraszamy do utworzenia konta w {service}.',
  'mail_invitation.inviter': 'Zaproszenie wysyła {inviter}.',
  'mail_invitation.place': 'Prowadzi do: {place}.',
  'mail_invitation.button': 'Przyjmij zaproszenie',
  'mail_invitation.note': 'Jeśli nie spodziewasz się zaproszenia, nie rób nic.',

  'mail_account_closed.subject': 'Twoje konto w {service} jest zamknięte',
  'mail_account_closed.heading': 'Twoje konto jest zamknięte',
  'mail_account_closed.lead':
    'Twoje konto w {service} zostało zamknięte. Zostanie usunięte {day}, razem z całą zawartością.',
  'mail_account_closed.keep':
    'Do tego czasu można je zachować: zaloguj się i wybierz zachowanie konta.',
  'mail_account_closed.button': 'Zaloguj się',
  'mail_account_closed.note':
    'Jeśli to nie Ty je zamykasz, zaloguj się, zachowaj konto i zmień hasło.',

  'mail_factor_removed.subject': 'Usunięto składnik logowania w {service}',
  'mail_factor_removed.heading': 'Usunięto składnik logowania',
  'mail_factor_removed.lead': 'Składnik „{factor}” nie chroni już Twojego konta w {service}.',
  'mail_factor_removed.button': 'To nie ja: cofnij zmianę',
  'mail_factor_removed.note': 'Jeśli to zamierzona zmiana, nie trzeba nic robić.',

  'mail_factor_added.subject': 'Twoje logowanie w {service} zmieniło się',
  'mail_factor_added.heading': 'Twoje logowanie zmieniło się',
  'mail_factor_added.app':
    'Aplikacja uwierzytelniająca „{factor}” służy teraz, obok hasła, do logowania w {service}.',
  'mail_factor_added.passkey': 'Klucz dostępu „{factor}” służy teraz do logowania w {service}.',
  'mail_factor_added.codes':
    'Utworzono nowe kody zapasowe do Twojego konta w {service}. Poprzednie już nie działają.',
  'mail_factor_added.note':
    'Jeśli to nie Ty, ustaw od razu nowe hasło i sprawdź stronę bezpieczeństwa swojego konta.',

  'mail_recovery_codes_low.subject': 'Pozostało niewiele kodów zapasowych w {service}',
  'mail_recovery_codes_low.heading': 'Pozostało niewiele kodów zapasowych',
  'mail_recovery_codes_low.lead':
    'Do Twojego konta w {service} {left, plural, one {pozostał # kod zapasowy} few {pozostały # kody zapasowe} many {pozostało # kodów zapasowych} other {pozostało # kodu zapasowego}}.',
  'mail_recovery_codes_low.note':
    'Zaloguj się i utwórz nowe na stronie swojego konta, zanim będą potrzebne.',

  'mail_new_browser.subject': 'Nowe logowanie do {service}',
  'mail_new_browser.heading': 'Nowe logowanie',
  'mail_new_browser.lead':
    'Twoje konto w {service} otwarto w nieznanej mu przeglądarce: {browser}, z adresu {address}, {time}.',
  'mail_new_browser.note':
    'Jeśli to nie Ty, ustaw nowe hasło i wyloguj się wszędzie na stronie swojego konta.',

  'mail_test.subject': 'Wiadomość próbna od {service}',
  'mail_test.heading': 'Działa',
  'mail_test.lead': 'Wiadomości od {service} docierają pod ten adres.',
  'mail_test.note': 'Operator wysłał tę wiadomość, aby sprawdzić wysyłkę.',
}
