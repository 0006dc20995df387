// French: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const frAddress: TextsOf<typeof enAddress> = {
  'address.title': 'Adresse e-mail',
  'address.lead':
    'Une nouvelle adresse compte dès que vous avez suivi le lien qui lui est envoyé. L’adresse actuelle en est avertie et peut l’annuler pendant une semaine.',
  'address.present': 'Adresse actuelle',
  'address.new': 'Nouvelle adresse',
  'address.submit': 'Envoyer le lien',
  'address.too_many': 'Trop de messages. Attendez quelques minutes, puis réessayez.',
  'address.sent_title': 'Regardez vos messages',
  'address.sent': 'Un lien est en route vers {email}. Il est valable un jour.',
  'address.confirm_title': 'Est-ce votre adresse ?',
  'address.confirm_lead': 'Elle devient l’adresse de ce compte : {email}',
  'address.confirm': 'Oui, utiliser cette adresse',
  'address.undo_title': 'Remettre l’ancienne adresse',
  'address.undo_lead':
    'Le compte retrouve l’adresse {email}. Toutes les sessions se terminent, les applications doivent redemander, et les facteurs ajoutés depuis sont retirés. Choisissez un nouveau mot de passe.',
  'address.undo': 'La remettre',
  'address.undone':
    'Le compte a de nouveau l’adresse {email}. Connectez-vous avec le nouveau mot de passe.',
  'address.done_title': 'L’adresse est changée',
  'address.done': 'Le compte a maintenant l’adresse {email}.',
  'address.dead_title': 'Ce lien ne fonctionne pas',
  'address.dead': 'Il a été utilisé, il est trop ancien, ou le compte a changé entre-temps.',
  'address.taken': 'Un autre compte a cette adresse.',
  'address.account': 'Compte',
  'new_password.title': 'Changer le mot de passe',
  'new_password.lead': 'Vos autres navigateurs sont déconnectés.',
  'new_password.present': 'Mot de passe actuel',
  'new_password.new': 'Nouveau mot de passe',
  'new_password.submit': 'Changer le mot de passe',
  'new_password.refused': 'Le mot de passe actuel n’est pas correct. Vérifiez-le et réessayez.',
}
