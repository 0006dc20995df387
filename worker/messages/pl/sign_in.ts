// Polish: signing in and out, the first operator, a new password, forms and errors.
import type { enSignIn } from '../en/sign_in.ts'
import type { TextsOf } from '../text_types.ts'

export const plSignIn: TextsOf<typeof enSignIn> = {
  'sign_in.title': 'Logowanie',
  'sign_in.lead': 'aby przejść do aplikacji {client}',
  'sign_in.email': 'Adres e-mail',
  'sign_in.email_or_user_name': 'Adres e-mail lub nazwa użytkownika',
  'sign_in.user_name': 'Nazwa użytkownika',
  'sign_in.password': 'Hasło',
  'sign_in.submit': 'Zaloguj się',
  'sign_in.forgotten': 'Nie pamiętasz hasła?',
  'sign_in.sign_up': 'Utwórz konto',
  'sign_in.link': 'Zaloguj się linkiem z wiadomości',
  'sign_in.refused': 'Adres e-mail lub hasło jest nieprawidłowe. Sprawdź oba i spróbuj ponownie.',
  'sign_in.too_many': 'Zbyt wiele prób. Odczekaj kilka minut i spróbuj ponownie.',

  'passkey.sign_in': 'Zaloguj się kluczem dostępu',
  'passkey.use': 'Użyj klucza dostępu',
  'passkey.create': 'Utwórz klucz dostępu',
  'passkey.refused': 'Ten klucz dostępu nie zadziałał. Spróbuj ponownie albo zaloguj się inaczej.',
  'passkey.expired': 'Ta strona była otwarta zbyt długo. Spróbuj ponownie.',
  'passkey.not_used':
    'Nie użyto żadnego klucza dostępu. Spróbuj ponownie albo wybierz inny sposób.',
  'passkey.not_made': 'Nie utworzono klucza dostępu. Spróbuj ponownie w dogodnej chwili.',
  'passkey.already': 'To urządzenie ma już klucz dostępu do Twojego konta.',
  'passkey.not_supported':
    'To urządzenie nie może utworzyć takiego klucza dostępu. Spróbuj na innym, na przykład na telefonie.',
  'passkey.wrong_host': 'Klucze dostępu nie działają pod tym adresem.',
  'passkey.failed': 'Przeglądarka nie mogła tego wykonać. Spróbuj ponownie.',
  'passkey.none': 'Ta przeglądarka nie zna kluczy dostępu.',
  'passkey.no_script':
    'Klucze dostępu wymagają JavaScriptu, który jest w tej przeglądarce wyłączony.',

  'sign_up.title': 'Utwórz konto',
  'sign_up.lead': 'Wpisz swój adres e-mail. Otrzymasz link, aby przejść dalej.',
  'sign_up.submit': 'Wyślij link',
  'sign_up.back': 'Wróć do logowania',
  'sign_up.sent_title': 'Sprawdź pocztę',
  'sign_up.sent':
    'Wiadomość została wysłana na adres {email}. Link jest ważny przez dobę. Sprawdź też folder ze spamem.',
  'sign_up.account_title': 'Twoje nowe konto',
  'sign_up.name': 'Imię i nazwisko (nieobowiązkowe)',
  'sign_up.create': 'Utwórz konto',
  'sign_up.name_refused': 'Podaj widoczną nazwę, najwyżej 200 znaków.',
  'sign_up.accept': 'Akceptuję: {title}',
  'sign_up.texts_refused':
    'Zaakceptuj każdy tekst, aby przejść dalej. Bez tego nie powstanie konto.',
  'sign_up.dead': 'Został już użyty albo ma ponad dobę. Poproś o nowy.',
  'sign_up.off': 'Konta tworzą osoby prowadzące tę usługę.',
  'sign_up.by_invitation':
    'Nowe konta powstają tutaj na zaproszenie. Skorzystaj z linku w zaproszeniu lub poproś o nie.',

  'sign_in_link.title': 'Logowanie linkiem',
  'sign_in_link.lead':
    'Wpisz adres e-mail swojego konta. Otrzymasz link, który zaloguje Cię w tej przeglądarce.',
  'sign_in_link.sent':
    'Jeśli istnieje konto z adresem {email}, link został wysłany. Otwórz go w tej przeglądarce w ciągu dziesięciu minut.',
  'sign_in_link.back': 'Wróć do logowania',
  'sign_in_link.dead': 'Został już użyty albo ma ponad dziesięć minut. Poproś o nowy.',
  'sign_in_link.elsewhere':
    'Otwórz link w przeglądarce, w której go zamówiono, albo poproś tu o nowy.',
  'sign_in_link.off': 'Ta usługa nie loguje za pomocą linku.',

  'logout.title': 'Wylogowanie',
  'logout.client_asks': 'Aplikacja {client} prosi o wylogowanie Cię.',
  'logout.lead': 'Nastąpi wylogowanie w tej przeglądarce.',
  'logout.submit': 'Wyloguj się',
  'logout.cancel': 'Pozostań zalogowanym',

  'signed_out.title': 'Wylogowano',
  'signed_out.text': 'Zamknij także przeglądarkę, jeśli z tego komputera korzystają inne osoby.',
  'signed_out.sign_in': 'Zaloguj się ponownie',
  'signed_out.back': 'Przejdź do {host}',

  'setup.title': 'Tworzenie pierwszego operatora',
  'setup.lead': 'To konto może zarządzać wszystkim: osobami, urządzeniami, aplikacjami i dostępem.',
  'setup.email': 'Adres e-mail',
  'setup.password': 'Hasło',
  'setup.submit': 'Utwórz operatora',
  'setup.dead_title': 'Ten link już nie działa',
  'setup.dead':
    'Został użyty, ma ponad godzinę albo operator już istnieje. Jeśli operatora jeszcze nie ma, nowy link pokaże ponowne uruchomienie, a także polecenie setup-link.',

  'recovery.title': 'Ustaw nowe hasło',
  'recovery.lead':
    'Zakończy to wszystkie sesje Twojego konta, a aplikacje będą musiały ponownie poprosić o dostęp.',
  'recovery.account': 'Konto',
  'recovery.password': 'Nowe hasło',
  'recovery.submit': 'Ustaw hasło',
  'recovery.dead_title': 'Ten link nie działa',
  'recovery.dead_unknown': 'Jest niepełny albo zastąpił go nowszy link. Poproś o kolejny.',
  'recovery.dead_expired': 'Ma ponad godzinę. Poproś o kolejny.',
  'recovery.dead_used':
    'Użyto go już do ustawienia nowego hasła. Jeśli zrobił to ktoś inny, natychmiast powiadom administratorów tej usługi.',
  'recovery.done_title': 'Hasło zostało zmienione',
  'recovery.done':
    'Wszystkie sesje zostały zakończone, a aplikacje będą musiały ponownie poprosić o dostęp.',
  'recovery.sign_in': 'Zaloguj się',

  'recovery_request.title': 'Nie pamiętasz hasła?',
  'recovery_request.lead':
    'Wpisz adres e-mail swojego konta. Otrzymasz link do ustawienia nowego hasła.',
  'recovery_request.submit': 'Wyślij link',
  'recovery_request.back': 'Wróć do logowania',
  'recovery_request.too_many': 'Zbyt wiele próśb. Odczekaj kilka minut i spróbuj ponownie.',
  'recovery_request.sent_title': 'Sprawdź pocztę',
  'recovery_request.sent':
    'Jeśli istnieje konto z adresem {email}, link jest już w drodze. Jest ważny przez godzinę. Zajrzyj także do folderu ze spamem.',

  'form_post.title': 'Chwileczkę',
  'form_post.lead': 'Trwa powrót do {host}.',
  'form_post.submit': 'Dalej',

  'form.out_of_date':
    'Formularz jest nieaktualny albo został wysłany z innej strony. Wróć, odśwież stronę i spróbuj ponownie.',
  'form.email_invalid': 'Wpisz adres e-mail, na przykład ann@example.com.',
  'form.email_taken': 'Istnieje już konto z tym adresem e-mail.',
  'form.action': 'Formularz wysłano bez znanego przycisku.',

  'password.hint':
    'Co najmniej {min, plural, one {# znak} few {# znaki} many {# znaków} other {# znaku}}. Dobre są cztery lub pięć losowych słów.',
  'password.control': 'Hasło nie może zawierać znaków sterujących.',
  'password.too_long':
    'Hasło nie może być dłuższe niż {max, plural, one {# bajt} few {# bajty} many {# bajtów} other {# bajta}}.',
  'password.too_short':
    'Hasło musi mieć co najmniej {min, plural, one {# znak} few {# znaki} many {# znaków} other {# znaku}}.',
  'password.guessable':
    'To hasło należy do tych, które sprawdza się w pierwszej kolejności. Wybierz cztery lub pięć losowych słów.',
  'password.breached':
    'To hasło jest znane z wycieku danych, więc zostałoby odgadnięte. Wybierz cztery lub pięć losowych słów.',

  'error.title': 'To się nie powiodło',
  'error.not_found_title': 'Nie znaleziono strony',
  'error.not_found': 'Pod tym adresem nie ma strony.',
  'error.ended':
    'To działanie zostało zakończone lub wygasło. Wróć do aplikacji i zacznij od nowa.',
  'error.unknown_client': 'Aplikacja, z której nastąpiło przejście, nie jest tu znana.',
  'error.not_allowed': 'Twoje konto nie ma uprawnień, o które prosi aplikacja.',
  'error.refused':
    'Na to żądanie nie można odpowiedzieć. Jeśli skierowała tu aplikacja, powiadom jej administratorów.',
  'error.too_many': 'Z Twojej sieci nadeszło zbyt wiele prób. Spróbuj ponownie później.',
  'error.busy': 'Usługa jest zajęta. Spróbuj ponownie za chwilę.',
  'error.internal': 'Coś poszło tu nie tak. Spróbuj ponownie później.',
  'error.request': 'Żądanie {id}',
  'error.footer': 'Możesz zamknąć tę stronę albo wrócić i spróbować ponownie.',

  'language.title': 'Język',
  'language.change': 'Zmień język: {language}',
  'language.account': 'Wiadomości e-mail też będą przychodzić w tym języku.',
  'language.back': 'Wróć bez zmiany',
}
