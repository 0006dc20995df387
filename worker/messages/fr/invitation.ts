// French: invitations, and what a person does with one.
import type { enInvitation } from '../en/invitation.ts'
import type { TextsOf } from '../text_types.ts'

export const frInvitation: TextsOf<typeof enInvitation> = {
  'invitation.title': 'Vous êtes invité',
  'invitation.inviter': 'L’invitation vient de {inviter}.',
  'invitation.place': 'Elle mène à\u00a0: {place}.',
  'invitation.new': 'Choisissez un mot de passe, et le compte est à vous.',
  'invitation.have_account': 'J’ai déjà un compte',
  'invitation.there_is_account':
    'Un compte existe avec cette adresse. Connectez-vous pour accepter l’invitation.',
  'invitation.sign_in': 'Se connecter',
  'invitation.accept_lead': '{address} a été invité. Accepter l’invitation avec ce compte\u00a0?',
  'invitation.accept': 'Accepter l’invitation',
  'invitation.other_account': 'Utiliser un autre compte',
  'invitation.dead_title': 'Cette invitation ne peut pas être utilisée',
  'invitation.dead':
    'Elle a déjà servi, a été retirée ou a expiré. Si vous avez un compte, connectez-vous\u00a0; sinon, demandez-en une nouvelle à qui vous a invité.',
  'invitation.too_wide':
    'Les droits qui viennent avec ceci ne tiennent pas dans un jeton avec ceux de votre compte. Demandez-en moins à la personne qui l’a envoyé.',
  'invitation.powerless':
    'Qui vous a invité ne peut plus donner ce que promet cette invitation. Demandez-en une nouvelle.',
}
