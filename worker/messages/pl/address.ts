// Polish: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const plAddress: TextsOf<typeof enAddress> = {
  'address.title': 'Adres e-mail',
  'address.lead':
    'Nowy adres obowiązuje po otwarciu linku, który zostanie na niego wysłany. Obecny adres zostanie powiadomiony i przez tydzień można z niego cofnąć zmianę.',
  'address.present': 'Obecny adres',
  'address.new': 'Nowy adres',
  'address.submit': 'Wyślij link',
  'address.too_many': 'Zbyt wiele wiadomości. Odczekaj kilka minut i spróbuj ponownie.',
  'address.sent_title': 'Sprawdź pocztę',
  'address.sent': 'Link został wysłany na adres {email}. Jest ważny przez dobę.',
  'address.confirm_title': 'Czy to Twój adres?',
  'address.confirm_lead': 'Będzie to adres tego konta: {email}',
  'address.confirm': 'Tak, użyj tego adresu',
  'address.undo_title': 'Przywróć poprzedni adres',
  'address.undo_lead':
    'Konto znów będzie mieć adres {email}. Wszystkie sesje zostaną zakończone, aplikacje będą musiały zapytać ponownie, a dodane od tego czasu składniki zostaną usunięte. Ustaw nowe hasło.',
  'address.undo': 'Przywróć',
  'address.undone': 'Konto znów ma adres {email}. Zaloguj się nowym hasłem.',
  'address.done_title': 'Adres został zmieniony',
  'address.done': 'Konto ma teraz adres {email}.',
  'address.dead_title': 'Ten link nie działa',
  'address.dead': 'Został już użyty, jest zbyt stary albo konto zostało w międzyczasie zmienione.',
  'address.taken': 'Ten adres należy do innego konta.',
  'address.account': 'Konto',
  'new_password.title': 'Zmień hasło',
  'new_password.lead': 'W innych przeglądarkach nastąpi wylogowanie.',
  'new_password.present': 'Obecne hasło',
  'new_password.new': 'Nowe hasło',
  'new_password.submit': 'Zmień hasło',
  'new_password.refused': 'Obecne hasło jest nieprawidłowe. Sprawdź je i spróbuj ponownie.',
}
