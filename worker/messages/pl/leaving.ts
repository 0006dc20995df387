// Polish: closing an account, keeping it, and a copy of the data in it.
import type { enLeaving } from '../en/leaving.ts'
import type { TextsOf } from '../text_types.ts'

export const plLeaving: TextsOf<typeof enLeaving> = {
  'closing.title': 'Zamknięcie konta',
  'closing.lead':
    'Nastąpi natychmiastowe wylogowanie wszędzie, a aplikacje i asystenci stracą dostęp.',
  'closing.grace':
    'Przez {days, plural, one {# dzień} few {# dni} many {# dni} other {# dnia}} można się zalogować i zachować konto. Potem zostanie ono usunięte na zawsze, razem z całą zawartością.',
  'closing.at_once':
    'Konto zostanie usunięte natychmiast i na zawsze, razem z całą zawartością. Nikt nie może tego cofnąć.',
  'closing.copy': 'Najpierw pobierz kopię swoich danych',
  'closing.submit': 'Zamknij konto',
  'closing.last_operator':
    'To konto jest ostatnim kontem operatora: bez niego nikt nie mógłby prowadzić tej usługi. Najpierw nadaj rolę operatora komuś innemu.',
  'closing.done_title': 'Twoje konto jest zamknięte',
  'closing.done': 'Zostanie usunięte {day}. Do tego czasu można się zalogować i je zachować.',
  'closing.deleted_title': 'Twoje konto jest usunięte',
  'closing.deleted': 'Cała jego zawartość została usunięta.',
  'closing.sign_in': 'Zaloguj się',
  'keep.title': 'Twoje konto jest zamknięte',
  'keep.lead': 'Zostanie usunięte {day}, razem z całą zawartością.',
  'keep.submit': 'Zachowaj konto',
  'keep.leave': 'Pozostaw zamknięte',
  'keep.hint': 'Aplikacje i asystenci, którzy mieli dostęp, muszą poprosić o niego ponownie.',
}
