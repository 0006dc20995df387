// Polish: whatever a person lacks after a sign-in, and the consents of the account.
import type { enRequirements } from '../en/requirements.ts'
import type { TextsOf } from '../text_types.ts'

export const plRequirements: TextsOf<typeof enRequirements> = {
  'missing.read': 'Przeczytaj: {title}',
  'missing.consent_lead': 'Przeczytaj ten tekst i zaakceptuj go, aby przejść dalej.',
  'missing.consent_again_lead':
    'Aby przejść dalej, potrzebna jest ponowna akceptacja. Tekst mógł się od tego czasu zmienić.',
  'missing.guardian_lead':
    'Masz za mało lat, aby samodzielnie o tym zdecydować. Decyduje za Ciebie rodzic lub opiekun: poproś, aby zwrócił się do osób prowadzących tę usługę. Potem zaloguj się ponownie.',
  'missing.accept': 'Akceptuję',
  'missing.decline': 'Nie akceptuję i wylogowuję się',
  'missing.profile_title': 'Uzupełnij profil',
  'missing.profile_lead': 'Jest to potrzebne, zanim przejdziesz dalej.',
  'missing.phone_hint': 'Z numerem kierunkowym kraju, na przykład +48 22 123 45 67.',
  'missing.profile_fault': 'Sprawdź jeszcze raz: {fields}.',
  'missing.password_title': 'Ustaw nowe hasło',
  'missing.password_lead':
    'Zanim przejdziesz dalej, potrzebne jest inne hasło. Zmiana kończy wszystkie pozostałe sesje, a aplikacje będą musiały zapytać Cię ponownie.',
  'missing.present_password': 'Obecne hasło',
  'missing.new_password': 'Nowe hasło',
  'missing.wrong_password': 'Obecne hasło jest nieprawidłowe.',
  'missing.same_password': 'Nowe hasło jest takie samo jak obecne. Wybierz inne.',
  'missing.too_many': 'Zbyt wiele prób. Poczekaj kilka minut i spróbuj ponownie.',
  'missing.save': 'Zapisz i przejdź dalej',
  'missing.sign_out': 'Wyloguj się',

  'missing.address_title': 'Potwierdź swój adres e-mail',
  'missing.address_lead':
    'Na Twój adres zostanie wysłany link. Otwórz go w tej przeglądarce i potwierdź, a potem przejdź dalej tutaj.',
  'missing.address_proven': 'Adres jest potwierdzony',
  'missing.address_again': 'Wyślij ponownie',
  'missing.factor_title': 'Dodaj drugi składnik',
  'missing.factor_lead':
    'Samo hasło tutaj nie wystarczy. Aby przejść dalej, dodaj aplikację uwierzytelniającą lub klucz dostępu; następnym razem zapytamy o niego.',
  'missing.factor_app': 'Aplikacja uwierzytelniająca',
  'missing.factor_passkey': 'Klucz dostępu',
  'missing.factor_mail': 'Kod w wiadomości e-mail',
  'missing.factor_mail_lead':
    'Kod zostanie wysłany na Twój adres i jest ważny tylko tym razem. Z aplikacją lub kluczem dostępu wiadomość nie jest potrzebna.',
  'missing.factor_mail_send': 'Wyślij kod',
  'missing.factor_mail_sent': 'Kod jest w drodze na adres {email}. Jest ważny dziesięć minut.',
  'missing.factor_other': 'Inny sposób',
  'missing.code_refused':
    'Ten kod jest nieprawidłowy, został już użyty albo jest za stary. Spróbuj ponownie albo zamów nowy.',
  'missing.factor_save': 'Dodaj i przejdź dalej',

  'field.name': 'Imię i nazwisko',
  'field.given_name': 'Imię',
  'field.family_name': 'Nazwisko',
  'field.middle_name': 'Drugie imię',
  'field.nickname': 'Pseudonim',
  'field.gender': 'Płeć',
  'field.birthdate': 'Data urodzenia',
  'field.phone_number': 'Numer telefonu',

  'consents.title': 'Twoje zgody',
  'consents.none': 'Nie ma o czym decydować.',
  'consents.required': 'Wymagana',
  'consents.guardian':
    'Masz za mało lat, aby samodzielnie zaakceptować tekst. Decyduje rodzic lub opiekun, który zwraca się do osób prowadzących tę usługę.',
  'consents.by_guardian': 'Zdecydowane przez: {guardian}.',
  'consents.read': 'Przeczytaj tekst',
  'consents.not_accepted': 'Brak akceptacji',
  'consents.accepted': 'Zaakceptowano {day}',
  'consents.outdated': 'Wcześniejszą wersję zaakceptowano {day}',
  'consents.withdrawn': 'Wycofano {day}',
  'consents.newer': 'Nowa wersja będzie wymagana od {day}',
  'consents.accept': 'Akceptuję',
  'consents.accept_of': 'Akceptuję: {title}',
  'consents.withdraw': 'Wycofaj',
  'consents.withdraw_of': 'Wycofaj: {title}',
  'consents.withdraw_hint':
    'Wycofanie wyloguje Cię wszędzie i zakończy dostęp wszystkich aplikacji i asystentów. Przy następnym logowaniu zapytamy Cię ponownie.',
  'missing.renewed_title': 'Twój dostęp został odnowiony',
  'missing.renewed': '{by} utworzył(a) nowy link do hasła Twojego konta ({time}).',
  'missing.renewed_note':
    'Właściciele miejsca {place} utworzyli Twoje konto i mogą to robić. Jeśli to nie była Twoja prośba, porozmawiaj z nimi.',
  'missing.renewed_seen': 'Dalej',
}
