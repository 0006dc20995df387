// German: closing an account, keeping it, and a copy of the data in it.
import type { enLeaving } from '../en/leaving.ts'
import type { TextsOf } from '../text_types.ts'

export const deLeaving: TextsOf<typeof enLeaving> = {
  'closing.title': 'Ihr Konto schließen',
  'closing.lead':
    'Sie werden sofort überall abgemeldet, und Anwendungen und Assistenten verlieren ihren Zugriff.',
  'closing.grace':
    'Noch {days, plural, one {# Tag} other {# Tage}} lang können Sie sich anmelden und das Konto behalten. Dann wird es endgültig gelöscht, mit allem darin.',
  'closing.at_once':
    'Es wird sofort und endgültig gelöscht, mit allem darin. Niemand kann das rückgängig machen.',
  'closing.copy': 'Zuerst eine Kopie Ihrer Daten holen',
  'closing.submit': 'Konto schließen',
  'closing.last_operator':
    'Sie sind der letzte Operator: Ohne Sie könnte niemand diesen Dienst betreiben. Machen Sie zuerst jemand anderen zum Operator.',
  'closing.done_title': 'Ihr Konto ist geschlossen',
  'closing.done': 'Es wird am {day} gelöscht. Bis dahin können Sie sich anmelden und es behalten.',
  'closing.deleted_title': 'Ihr Konto ist gelöscht',
  'closing.deleted': 'Alles darin ist gelöscht.',
  'closing.sign_in': 'Anmelden',
  'keep.title': 'Ihr Konto ist geschlossen',
  'keep.lead': 'Es wird am {day} gelöscht, mit allem darin.',
  'keep.submit': 'Konto behalten',
  'keep.leave': 'Geschlossen lassen',
  'keep.hint': 'Anwendungen und Assistenten, die Zugriff hatten, müssen Sie erneut fragen.',
}
