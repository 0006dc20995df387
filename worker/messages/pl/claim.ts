// Polish: claiming a device with the code on its box.

import type { enClaim } from '../en/claim.ts'
import type { TextsOf } from '../text_types.ts'

export const plClaim: TextsOf<typeof enClaim> = {
  'claim.title': 'Dodaj urządzenie',
  'claim.lead': 'Wpisz kod, który jest na opakowaniu albo na urządzeniu.',
  'claim.code': 'Kod',
  'claim.continue': 'Dalej',
  'claim.dead':
    'Tego kodu nie można użyć. Porównaj go z opakowaniem; kod jest ważny jeden raz i przez ograniczony czas.',
  'claim.ask': 'Dodać to urządzenie do Twojego miejsca?',
  'claim.serial': 'Numer seryjny: {serial}',
  'claim.what':
    'Osoby z tego miejsca będą mogły z niego korzystać. Kto miał je wcześniej, traci dostęp.',
  'claim.sign_in': 'Zaloguj się, aby dodać je do swojego miejsca, albo najpierw załóż konto.',
  'claim.place': 'Do którego miejsca?',
  'claim.new_place': 'Nowe miejsce',
  'claim.new_name': 'Nazwa nowego miejsca',
  'claim.submit': 'Dodaj urządzenie',
  'claim.another': 'Użyj innego kodu',
  'claim.no_place':
    'Nie zarządzasz żadnym miejscem i nie można tu założyć nowego. Poproś właściciela miejsca o dodanie urządzenia.',
  'claim.place_needed': 'Wybierz miejsce. Nowe potrzebuje nazwy.',
  'claim.place_refused': 'Do tego miejsca nie możesz dodawać urządzeń. Wybierz inne.',
  'claim.too_wide':
    'Z tym urządzeniem uprawnienia w tym miejscu nie zmieszczą się już w tokenie. Wybierz inne miejsce.',
  'claim.done_title': 'Urządzenie zostało dodane',
  'claim.done': 'Jest teraz w: {place}. Kodu z opakowania nie można użyć ponownie.',
}
