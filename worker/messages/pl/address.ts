// Polish: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const plAddress: TextsOf<typeof enAddress> = {
  'address.title': 'Adres e-mail',
  'address.lead':
    'Nowy adres zacznie obowiązywać po otwarciu linku, który zostanie na niego wysłany. Dotychczasowy dostanie powiadomienie i przez tydzień może to cofnąć.',
  'address.present': 'Dotychczasowy adres',
  'address.new': 'Nowy adres',
  'address.submit': 'Wyślij link',
  'address.too_many': 'Zbyt wiele wiadomości. Odczekaj kilka minut i spróbuj ponownie.',
  'address.sent_title': 'Sprawdź pocztę',
  'address.sent': 'Link jest w drodze na adres {email}. Jest ważny przez jeden dzień.',
  'address.confirm_title': 'Czy to Twój adres?',
  'address.confirm_lead': 'Stanie się adresem tego konta: {email}',
  'address.confirm': 'Tak, użyj tego adresu',
  'address.undo_title': 'Przywróć stary adres',
  'address.undo_lead':
    'Konto odzyska adres {email}. Wszystkie sesje się zakończą, aplikacje będą musiały ponownie poprosić o dostęp, a dodane od tego czasu składniki zostaną usunięte. Ustaw nowe hasło.',
  'address.undo': 'Przywróć',
  'address.undone': 'Konto ma znów adres {email}. Zaloguj się nowym hasłem.',
  'address.done_title': 'Adres został zmieniony',
  'address.done': 'Konto ma teraz adres {email}.',
  'address.dead_title': 'Ten link nie działa',
  'address.dead': 'Został użyty, jest zbyt stary albo konto w tym czasie zmieniono.',
  'address.taken': 'Ten adres ma inne konto.',
  'address.account': 'Konto',
  'address.confirm_further': 'Zostanie dodany do tego konta: {email}',
  'address.added': 'Konto ma teraz także adres {email}.',

  'names.title': 'Nazwy i adresy',
  'names.lead':
    'Logujesz się każdym potwierdzonym adresem oraz nazwą użytkownika. E-maile trafiają na jeden z adresów.',
  'names.is_primary': 'Tu trafiają e-maile',
  'names.is_unproven': 'niepotwierdzony',
  'names.kind_email': 'Adres e-mail',
  'names.kind_user_name': 'Nazwa użytkownika',
  'names.kind_phone': 'Telefon',
  'names.primary_button': 'Wysyłaj e-maile tutaj',
  'names.remove_button': 'Usuń',
  'names.add': 'Dodaj adres',
  'names.primary': 'Na ten adres trafiają e-maile. Najpierw wybierz dla nich inny.',
  'names.unproven': 'Ten adres nie jest potwierdzony. Otwórz link, który na niego wysłano.',
  'names.busy': 'Konto zmieniono w tym samym czasie. Spróbuj ponownie.',
  'names.full': 'Konto ma tyle nazw, ile może mieć. Najpierw usuń jedną.',

  'new_password.title': 'Zmiana hasła',
  'new_password.lead': 'Pozostałe Twoje przeglądarki zostaną wylogowane.',
  'new_password.present': 'Dotychczasowe hasło',
  'new_password.new': 'Nowe hasło',
  'new_password.submit': 'Zmień hasło',
  'new_password.refused': 'Dotychczasowe hasło jest nieprawidłowe. Sprawdź je i spróbuj ponownie.',
}
