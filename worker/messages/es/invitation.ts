// Spanish: invitations, and what a person does with one.
import type { enInvitation } from '../en/invitation.ts'
import type { TextsOf } from '../text_types.ts'

export const esInvitation: TextsOf<typeof enInvitation> = {
  'invitation.title': 'Tiene una invitación',
  'invitation.inviter': 'La invitación es de {inviter}.',
  'invitation.place': 'Lleva a: {place}.',
  'invitation.new': 'Elija una contraseña y la cuenta será suya.',
  'invitation.have_account': 'Ya tengo una cuenta',
  'invitation.there_is_account':
    'Ya hay una cuenta con esta dirección. Inicie sesión para aceptar la invitación.',
  'invitation.sign_in': 'Iniciar sesión',
  'invitation.accept_lead': 'Se ha invitado a {address}. ¿Aceptar la invitación con esta cuenta?',
  'invitation.accept': 'Aceptar la invitación',
  'invitation.other_account': 'Usar otra cuenta',
  'invitation.dead_title': 'Esta invitación no sirve',
  'invitation.dead':
    'Ya se ha usado, se ha retirado o ha caducado. Si tiene una cuenta, inicie sesión; si no, pida otra a quien le invitó.',
  'invitation.too_wide':
    'Los derechos que vienen con esto no caben en un token junto a los de su cuenta. Pida menos a quien lo envió.',
  'invitation.powerless':
    'Quien le invitó ya no puede dar lo que promete esta invitación. Pida otra.',
}
