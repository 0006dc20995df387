// French: mails.
import type { enMail } from '../en/mail.ts'
import type { TextsOf } from '../text_types.ts'

export const frMail: TextsOf<typeof enMail> = {
  'mail.sender': '{service}',
  'mail.greeting': 'Bonjour {name},',
  'mail.good_for_days':
    '{count, plural, one {Valable un jour, et une seule fois.} other {Valable # jours, et une seule fois.}}',
  'mail.good_for_hours':
    '{count, plural, one {Valable une heure, et une seule fois.} other {Valable # heures, et une seule fois.}}',
  'mail.good_for_minutes':
    '{count, plural, one {Valable une minute, et une seule fois.} other {Valable # minutes, et une seule fois.}}',
  'mail.copy': 'Si le bouton ne fait rien, copiez cette adresse dans votre navigateur\u00a0:',
  'mail.client': 'Vous veniez de {client}.',
  'mail.foot': 'Ce message a été envoyé par {service}. Personne ne lit les réponses.',

  'mail_recovery.subject': 'Choisir un nouveau mot de passe pour {service}',
  'mail_recovery.heading': 'Choisir un nouveau mot de passe',
  'mail_recovery.lead':
    'Le bouton vous permet de choisir un nouveau mot de passe pour votre compte {service}. Toutes ses sessions prendront alors fin.',
  'mail_recovery.button': 'Choisir un nouveau mot de passe',
  'mail_recovery.note':
    'Si vous ne l’avez pas demandé, ne faites rien\u00a0: votre mot de passe reste tel quel. Ne donnez le lien à personne.',

  'mail_verify_address.subject': 'Confirmer votre adresse pour {service}',
  'mail_verify_address.heading': 'Confirmer votre adresse',
  'mail_verify_address.lead':
    'Confirmez que cette adresse est la vôtre et qu’elle appartient à votre compte {service}.',
  'mail_verify_address.button': 'Confirmer l’adresse',
  'mail_verify_address.note':
    'Si vous n’y avez pas de compte, ne faites rien\u00a0: sans vous, elle ne sera pas confirmée.',

  'mail_sign_up.subject': 'Votre compte chez {service}',
  'mail_sign_up.heading': 'Continuez avec votre compte',
  'mail_sign_up.lead':
    'Quelqu’un, vous espérons-nous, souhaite un compte chez {service} avec cette adresse.',
  'mail_sign_up.button': 'Créer le compte',
  'mail_sign_up.note': 'Si ce n’était pas vous, ne faites rien : aucun compte n’est créé.',

  'mail_account_exists.subject': 'Vous avez un compte chez {service}',
  'mail_account_exists.heading': 'Vous avez un compte',
  'mail_account_exists.lead':
    'Quelqu’un, vous espérons-nous, voulait un nouveau compte chez {service} avec cette adresse. Il en existe déjà un : connectez-vous, ou choisissez-y un nouveau mot de passe.',
  'mail_account_exists.button': 'Se connecter',
  'mail_account_exists.note': 'Si ce n’était pas vous, il n’y a rien à faire.',

  'mail_address_changed.subject': 'Votre adresse chez {service} a été modifiée',
  'mail_address_changed.heading': 'Votre adresse a été modifiée',
  'mail_address_changed.lead':
    'Votre compte {service} a désormais l’adresse {address}. Celle-ci ne lui appartient plus.',
  'mail_address_changed.button': 'Ce n’était pas moi\u00a0: annuler',
  'mail_address_changed.note': 'Si vous l’avez modifiée vous-même, il n’y a rien à faire.',

  'mail_addresses_changed.subject': 'Les adresses de votre compte {service} ont été modifiées',
  'mail_addresses_changed.heading': 'Les adresses de votre compte ont été modifiées',
  'mail_addresses_changed.added':
    'L’adresse {address} a été ajoutée à votre compte {service}. Elle permet de se connecter et de choisir un nouveau mot de passe.',
  'mail_addresses_changed.primary':
    'Les e-mails au sujet de votre compte {service} vont désormais à l’adresse {address}.',

  'mail_sign_in_link.subject': 'Se connecter à {service}',
  'mail_sign_in_link.heading': 'Se connecter',
  'mail_sign_in_link.lead':
    'Le bouton vous connecte à {service}, dans le navigateur où vous l’avez demandé.',
  'mail_sign_in_link.button': 'Se connecter',
  'mail_sign_in_link.note':
    'Si vous ne l’avez pas demandé, ne faites rien. Ne donnez le lien à personne.',

  'mail_sign_in_code.subject': 'Votre code pour {service}',
  'mail_sign_in_code.heading': 'Votre code',
  'mail_sign_in_code.lead': 'Saisissez ce code là où {service} vous le demande\u00a0:',
  'mail_sign_in_code.note':
    'Si vous n’êtes pas en train de vous connecter, quelqu’un d’autre essaie. Ne donnez le code à personne\u00a0: aucune personne travaillant pour {service} ne le demande jamais.',

  'mail_invitation.subject': 'Une invitation à {service}',
  'mail_invitation.heading': 'Vous êtes invité',
  'mail_invitation.lead': 'Vous êtes invité à créer un compte chez {service}.',
  'mail_invitation.inviter': 'L’invitation vient de {inviter}.',
  'mail_invitation.place': 'Elle mène à\u00a0: {place}.',
  'mail_invitation.button': 'Accepter l’invitation',
  'mail_invitation.note': 'Si vous n’attendez pas d’invitation, ne faites rien.',

  'mail_account_closed.subject': 'Votre compte chez {service} est fermé',
  'mail_account_closed.heading': 'Votre compte est fermé',
  'mail_account_closed.lead':
    'Votre compte chez {service} a été fermé. Il sera supprimé le {day}, avec tout son contenu.',
  'mail_account_closed.keep':
    'D’ici là, vous pouvez le garder\u00a0: connectez-vous et choisissez de garder le compte.',
  'mail_account_closed.button': 'Se connecter',
  'mail_account_closed.note':
    'Si vous ne l’avez pas fermé vous-même, connectez-vous, gardez-le et changez votre mot de passe.',

  'mail_factor_removed.subject': 'Un facteur de connexion a été supprimé chez {service}',
  'mail_factor_removed.heading': 'Un facteur a été supprimé',
  'mail_factor_removed.lead':
    'Le facteur «\u00a0{factor}\u00a0» ne protège plus votre compte {service}.',
  'mail_factor_removed.button': 'Ce n’était pas moi\u00a0: annuler',
  'mail_factor_removed.note': 'Si vous le vouliez, il n’y a rien à faire.',

  'mail_factor_added.subject': 'Votre connexion à {service} a changé',
  'mail_factor_added.heading': 'Votre connexion a changé',
  'mail_factor_added.app':
    'L’application d’authentification «\u00a0{factor}\u00a0» sert désormais, avec votre mot de passe, à vous connecter à {service}.',
  'mail_factor_added.passkey':
    'La clé d’accès «\u00a0{factor}\u00a0» sert désormais à vous connecter à {service}.',
  'mail_factor_added.codes':
    'De nouveaux codes de récupération ont été créés pour votre compte {service}. Les anciens ne valent plus.',
  'mail_factor_added.note':
    'Si ce n’était pas vous, choisissez tout de suite un nouveau mot de passe et consultez la page de sécurité de votre compte.',

  'mail_recovery_codes_low.subject': 'Il reste peu de codes de récupération chez {service}',
  'mail_recovery_codes_low.heading': 'Il reste peu de codes de récupération',
  'mail_recovery_codes_low.lead':
    'Il reste {left, plural, one {# code de récupération} other {# codes de récupération}} pour votre compte {service}.',
  'mail_recovery_codes_low.note':
    'Connectez-vous et créez-en de nouveaux sur la page de votre compte, avant d’en avoir besoin.',

  'mail_new_browser.subject': 'Une nouvelle connexion à {service}',
  'mail_new_browser.heading': 'Une nouvelle connexion',
  'mail_new_browser.lead':
    'Votre compte {service} a été ouvert dans un navigateur qu’il ne connaît pas\u00a0: {browser}, depuis {address}, le {time}.',
  'mail_new_browser.note':
    'Si ce n’était pas vous, choisissez un nouveau mot de passe et déconnectez-vous partout sur la page de votre compte.',

  'mail_test.subject': 'Un message d’essai de {service}',
  'mail_test.heading': 'Cela fonctionne',
  'mail_test.lead': 'Les messages de {service} arrivent à cette adresse.',
  'mail_test.note': 'Un opérateur a envoyé ce message pour vérifier l’acheminement.',
}
