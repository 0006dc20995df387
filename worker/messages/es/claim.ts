// Spanish: claiming a device with the code on its box.

import type { enClaim } from '../en/claim.ts'
import type { TextsOf } from '../text_types.ts'

export const esClaim: TextsOf<typeof enClaim> = {
  'claim.title': 'Añadir un dispositivo',
  'claim.lead': 'Escriba el código que está en la caja o en el dispositivo.',
  'claim.code': 'Código',
  'claim.continue': 'Continuar',
  'claim.dead':
    'Este código no se puede usar. Compárelo con la caja; un código vale una vez y por tiempo limitado.',
  'claim.ask': '¿Añadir este dispositivo a su lugar?',
  'claim.serial': 'Número de serie: {serial}',
  'claim.what': 'Las personas del lugar podrán usarlo. Quien lo tenía antes pierde el acceso.',
  'claim.sign_in': 'Inicie sesión para añadirlo a su lugar, o cree antes una cuenta.',
  'claim.place': '¿A qué lugar va?',
  'claim.new_place': 'Un lugar nuevo',
  'claim.new_name': 'Nombre del lugar nuevo',
  'claim.submit': 'Añadir el dispositivo',
  'claim.another': 'Usar otro código',
  'claim.no_place':
    'No administra ningún lugar, y aquí no se puede crear uno. Pida al propietario de un lugar que añada el dispositivo.',
  'claim.place_needed': 'Elija un lugar. Uno nuevo necesita un nombre.',
  'claim.place_refused': 'No puede añadir dispositivos a este lugar. Elija otro.',
  'claim.too_wide':
    'Con este dispositivo, los derechos en este lugar ya no cabrían en un token. Elija otro lugar.',
  'claim.done_title': 'El dispositivo se ha añadido',
  'claim.done': 'Ahora está en {place}. El código de la caja no se puede usar otra vez.',
}
