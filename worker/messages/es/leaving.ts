// Spanish: closing an account, keeping it, and a copy of the data in it.
import type { enLeaving } from '../en/leaving.ts'
import type { TextsOf } from '../text_types.ts'

export const esLeaving: TextsOf<typeof enLeaving> = {
  'closing.title': 'Cerrar su cuenta',
  'closing.lead':
    'Se cierran de inmediato todas sus sesiones, y las aplicaciones y los asistentes pierden el acceso.',
  'closing.grace':
    'Durante {days, plural, one {# día} many {# días} other {# días}} puede iniciar sesión y conservar la cuenta. Después se elimina para siempre, con todo su contenido.',
  'closing.at_once':
    'Se elimina de inmediato y para siempre, con todo su contenido. Nadie puede deshacerlo.',
  'closing.copy': 'Obtener antes una copia de sus datos',
  'closing.submit': 'Cerrar la cuenta',
  'closing.last_operator':
    'Usted es el último operador: sin usted nadie podría administrar este servicio. Nombre antes a otro operador.',
  'closing.done_title': 'Su cuenta está cerrada',
  'closing.done': 'Se eliminará el {day}. Hasta entonces puede iniciar sesión y conservarla.',
  'closing.deleted_title': 'Su cuenta se ha eliminado',
  'closing.deleted': 'Todo su contenido se ha borrado.',
  'closing.sign_in': 'Iniciar sesión',
  'keep.title': 'Su cuenta está cerrada',
  'keep.lead': 'Se eliminará el {day}, con todo su contenido.',
  'keep.submit': 'Conservar la cuenta',
  'keep.leave': 'Dejarla cerrada',
  'keep.hint': 'Las aplicaciones y los asistentes que tenían acceso tendrán que volver a pedirlo.',
}
