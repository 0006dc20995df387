// Polish: invitations, and what a person does with one.
import type { enInvitation } from '../en/invitation.ts'
import type { TextsOf } from '../text_types.ts'

export const plInvitation: TextsOf<typeof enInvitation> = {
  'invitation.title': 'Masz zaproszenie',
  'invitation.inviter': 'Zaproszenie wysyła {inviter}.',
  'invitation.place': 'Prowadzi do: {place}.',
  'invitation.new': 'Wybierz hasło, a konto będzie Twoje.',
  'invitation.have_account': 'Mam już konto',
  'invitation.there_is_account':
    'Z tym adresem jest już konto. Zaloguj się, aby przyjąć zaproszenie.',
  'invitation.sign_in': 'Zaloguj się',
  'invitation.accept_lead': 'Zaproszono {address}. Przyjąć zaproszenie z tym kontem?',
  'invitation.accept': 'Przyjmij zaproszenie',
  'invitation.other_account': 'Użyj innego konta',
  'invitation.dead_title': 'Tego zaproszenia nie można użyć',
  'invitation.dead':
    'Zostało już użyte, wycofane albo wygasło. Jeśli masz konto, zaloguj się; w przeciwnym razie poproś o nowe.',
  'invitation.too_wide':
    'Uprawnienia, które się z tym wiążą, nie mieszczą się w tokenie obok uprawnień Twojego konta. Poproś nadawcę o mniej.',
  'invitation.powerless':
    'Osoba, która Cię zaprosiła, nie może już dać tego, co obiecuje zaproszenie. Poproś o nowe.',
}
