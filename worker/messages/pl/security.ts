// Polish: passkeys and second factors, at the sign-in and in the account.
import type { enSecurity } from '../en/security.ts'
import type { TextsOf } from '../text_types.ts'

export const plSecurity: TextsOf<typeof enSecurity> = {
  'second_factor.title': 'Jeszcze jeden krok',
  'second_factor.lead':
    'Wpisz kod, który pokazuje aplikacja uwierzytelniająca. Może to być także kod zapasowy.',
  'second_factor.lead_passkey': 'Użyj klucza dostępu albo wpisz kod zapasowy.',
  'second_factor.lead_both':
    'Użyj klucza dostępu albo wpisz kod, który pokazuje aplikacja uwierzytelniająca. Może to być także kod zapasowy.',
  'second_factor.account': 'Konto',
  'second_factor.code': 'Kod',
  'second_factor.recovery_code': 'Kod zapasowy',
  'second_factor.submit': 'Dalej',
  'second_factor.other': 'Użyj innego konta',
  'second_factor.refused':
    'Ten kod jest nieprawidłowy lub został już użyty. Poczekaj na następny i spróbuj ponownie.',
  'second_factor.too_many': 'Zbyt wiele błędnych kodów. Odczekaj kilka minut i spróbuj ponownie.',
  'second_factor.trust':
    'Nie pytaj ponownie w tej przeglądarce przez {days, plural, one {# dzień} few {# dni} many {# dni} other {# dnia}}',
  'second_factor.ended_title': 'To logowanie dobiegło końca',
  'second_factor.ended':
    'Trwało zbyt długo albo konto w tym czasie zmieniono. Zaloguj się ponownie.',

  'removed_factor.title': 'Przywróć składnik',
  'removed_factor.lead':
    'Operator usunął składnik „{factor}”. Przywrócenie kończy wszystkie logowania od tego czasu i usuwa składniki dodane później.',
  'removed_factor.done_title': 'Składnik jest przywrócony',
  'removed_factor.done':
    'Składnik „{factor}” znów chroni Twoje konto. Jeśli jego usunięcie nie było na Twoją prośbę, zmień też hasło.',

  'security.title': 'Bezpieczeństwo',
  'security.lead':
    'Z kluczem dostępu lub aplikacją uwierzytelniającą samo skradzione hasło niczego nie otwiera.',
  'security.passkeys': 'Klucze dostępu',
  'security.no_passkeys':
    'Nie ma jeszcze żadnego. Z kluczem dostępu logujesz się palcem, twarzą lub kodem PIN.',
  'security.synced': 'synchronizowany',
  'security.rename': 'Zmień nazwę',
  'security.new_name': 'Nowa nazwa',
  'security.save_name': 'Zapisz',
  'security.add_passkey': 'Dodaj klucz dostępu',
  'security.passkey_lead':
    'Urządzenie tworzy klucz, którym logujesz się palcem, twarzą lub kodem PIN, bez hasła.',
  'security.passkey_name': 'Klucz dostępu',
  'security.passkey_taken':
    'Tego klucza dostępu nie można dodać. Być może już tu jest: sprawdź swoją listę.',
  'security.passkey_refused':
    'Tego klucza dostępu nie można dodać. Spróbuj ponownie albo na innym urządzeniu.',
  'security.passkey_many': 'Więcej być nie może. Najpierw usuń jeden.',
  'security.last_way_in':
    'Ten klucz dostępu to jedyny sposób, by wejść na konto. Dodaj inny, zanim go usuniesz.',
  'security.factor_demanded':
    'Wymagany jest od Ciebie drugi składnik, a ten jest jedyny. Zanim go usuniesz, dodaj inny.',
  'security.apps': 'Aplikacje uwierzytelniające',
  'security.none': 'Nie ma jeszcze żadnej.',
  'security.since': 'od {time}',
  'security.last_used': 'ostatnie użycie {time}',
  'security.remove': 'Usuń',
  'security.add': 'Dodaj aplikację uwierzytelniającą',
  'security.codes': 'Kody zapasowe',
  'security.codes_left':
    '{count, plural, one {Pozostał # kod} few {Pozostały # kody} many {Pozostało # kodów} other {Pozostało # kodu}}. Każdy raz zastępuje klucz dostępu lub aplikację, gdy telefon zaginie.',
  'security.make_codes': 'Utwórz nowe kody',
  'security.back': 'Wróć do konta',
  'security.add_lead':
    'Zeskanuj ten obraz w aplikacji albo wpisz w niej klucz. Następnie wpisz kod, który pokaże.',
  'security.image': 'Kod QR z kluczem',
  'security.key': 'Klucz',
  'security.name': 'Nazwa',
  'security.name_hint': 'Ułatwi rozpoznanie, na przykład nazwa telefonu.',
  'security.default_name': 'Aplikacja uwierzytelniająca',
  'security.code': 'Kod',
  'security.save': 'Dodaj',
  'security.cancel': 'Anuluj',
  'security.refused': 'Ten kod nie pasuje do klucza. Poczekaj na następny i spróbuj ponownie.',
  'security.name_refused': 'Podaj widoczną nazwę, najwyżej 60 znaków.',
  'security.expired': 'Ten klucz jest zbyt stary. Zeskanuj nowy.',
  'security.codes_title': 'Twoje kody zapasowe',
  'security.codes_lead':
    'Przechowuj je tam, gdzie znajdziesz je bez telefonu. Są pokazywane tylko ten jeden raz i zastępują wszystkie wcześniejsze kody.',
  'security.codes_kept': 'Kody są zapisane',
}
