// French: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const frAddress: TextsOf<typeof enAddress> = {
  'address.title': 'Adresse e-mail',
  'address.lead':
    'Une nouvelle adresse compte une fois que vous avez suivi le lien qui lui est envoyé. L’adresse actuelle en est informée et peut annuler pendant une semaine.',
  'address.present': 'Adresse actuelle',
  'address.new': 'Nouvelle adresse',
  'address.submit': 'Envoyer le lien',
  'address.too_many': 'Trop de messages. Patientez quelques minutes, puis réessayez.',
  'address.sent_title': 'Consultez votre messagerie',
  'address.sent': 'Un lien est en route vers {email}. Il est valable un jour.',
  'address.confirm_title': 'Est-ce votre adresse\u00a0?',
  'address.confirm_lead': 'Elle devient l’adresse de ce compte\u00a0: {email}',
  'address.confirm': 'Oui, utiliser cette adresse',
  'address.undo_title': 'Rétablir l’ancienne adresse',
  'address.undo_lead':
    'Le compte retrouve l’adresse {email}. Toutes les sessions prennent fin, les applications doivent redemander l’accès et les facteurs ajoutés depuis sont supprimés. Choisissez un nouveau mot de passe.',
  'address.undo': 'Rétablir',
  'address.undone':
    'Le compte a de nouveau l’adresse {email}. Connectez-vous avec le nouveau mot de passe.',
  'address.done_title': 'L’adresse est modifiée',
  'address.done': 'Le compte a maintenant l’adresse {email}.',
  'address.dead_title': 'Ce lien ne fonctionne pas',
  'address.dead': 'Il a servi, est trop ancien, ou le compte a été modifié entre-temps.',
  'address.taken': 'Un autre compte a cette adresse.',
  'address.account': 'Compte',
  'address.confirm_further': 'Elle est ajoutée à ce compte\u00a0: {email}',
  'address.added': 'Le compte a désormais aussi l’adresse {email}.',

  'names.title': 'Noms et adresses',
  'names.lead':
    'Vous vous connectez avec chaque adresse confirmée et avec votre nom d’utilisateur. Les e-mails vont à l’une des adresses.',
  'names.is_primary': 'Les e-mails arrivent ici',
  'names.is_unproven': 'non confirmée',
  'names.kind_email': 'Adresse e-mail',
  'names.kind_user_name': 'Nom d’utilisateur',
  'names.kind_phone': 'Téléphone',
  'names.primary_button': 'Envoyer les e-mails ici',
  'names.remove_button': 'Supprimer',
  'names.add': 'Ajouter une adresse',
  'names.primary': 'Les e-mails vont à cette adresse. Choisissez-en d’abord une autre pour eux.',
  'names.unproven': 'Cette adresse n’est pas confirmée. Suivez le lien qui lui a été envoyé.',
  'names.busy': 'Le compte a été modifié en même temps. Réessayez.',
  'names.full': 'Le compte a autant de noms qu’il peut en avoir. Supprimez-en un d’abord.',

  'new_password.title': 'Changer de mot de passe',
  'new_password.lead': 'Vos autres navigateurs seront déconnectés.',
  'new_password.present': 'Mot de passe actuel',
  'new_password.new': 'Nouveau mot de passe',
  'new_password.submit': 'Changer de mot de passe',
  'new_password.refused': 'Le mot de passe actuel est incorrect. Vérifiez-le et réessayez.',
}
