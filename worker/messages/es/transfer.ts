// Spanish: a place that gets a new owner, and its mail.

import type { enTransfer } from '../en/transfer.ts'
import type { TextsOf } from '../text_types.ts'

export const esTransfer: TextsOf<typeof enTransfer> = {
  'transfer.title': 'Le ofrecen un lugar',
  'transfer.inviter': 'La oferta es de {inviter}.',
  'transfer.place': 'El lugar: {place}.',
  'transfer.what':
    'Si acepta, el lugar será suyo. Todas las demás personas pierden el acceso, y los dispositivos siguen funcionando.',
  'transfer.there_is_account':
    'Hay una cuenta con esta dirección. Inicie sesión para aceptar el lugar.',
  'transfer.accept_lead': 'El lugar se ofreció a {address}. ¿Aceptarlo con esta cuenta?',
  'transfer.accept': 'Aceptar el lugar',
  'transfer.ends': 'Entonces termina:',
  'transfer.people': 'Personas que pierden el acceso: {count, number}',
  'transfer.grants': 'Permisos: {count, number}',
  'transfer.invitations': 'Invitaciones pendientes: {count, number}',
  'transfer.links': 'Vínculos con asistentes y aplicaciones: {count, number}',
  'transfer.claim_tokens': 'Secretos con los que entran dispositivos nuevos: {count, number}',
  'transfer.credentials': 'Claves de dispositivos: {count, number}',
  'transfer.tokens': 'Tokens de dispositivos: {count, number}',
  'transfer.end_credentials':
    'Terminar las claves que se añadieron hasta ahora a los dispositivos ({count, number}). Un dispositivo sin otra clave debe configurarse de nuevo.',
  'transfer.end_tokens':
    'Terminar los tokens que se crearon hasta ahora para los dispositivos ({count, number}). Un dispositivo que solo tiene uno de ellos debe configurarse de nuevo.',
  'transfer.done_title': 'El lugar es suyo',
  'transfer.done': '{place} es suyo. Esto ha terminado:',
  'transfer.dead_title': 'Este lugar no se puede aceptar',
  'transfer.dead': 'La oferta ya se aceptó o se retiró, o ha caducado. Pida una nueva.',
  'transfer.powerless':
    'Quien ofreció el lugar ya no puede darlo, o el lugar cambió entretanto. Pida una nueva oferta.',
  'mail_transfer.subject': 'Le ofrecen un lugar en {service}',
  'mail_transfer.heading': 'Un lugar para usted',
  'mail_transfer.lead': 'Le ofrecen {place}.',
  'mail_transfer.inviter': 'La oferta es de {inviter}.',
  'mail_transfer.button': 'Ver la oferta',
  'mail_transfer.note': 'Si no lo espera, no haga nada.',
}
