// French: whatever a person lacks after a sign-in, and the consents of the account.
import type { enRequirements } from '../en/requirements.ts'
import type { TextsOf } from '../text_types.ts'

export const frRequirements: TextsOf<typeof enRequirements> = {
  'missing.read': 'Lire : {title}',
  'missing.consent_lead': 'Lisez ce texte et acceptez-le pour continuer.',
  'missing.consent_again_lead':
    'Pour continuer, votre accord est de nouveau nécessaire. Le texte a pu changer entre-temps.',
  'missing.guardian_lead':
    'Vous êtes trop jeune pour en décider sans aide. Un parent ou un tuteur décide pour vous : demandez-lui de s’adresser à ceux qui gèrent ce service. Connectez-vous ensuite à nouveau.',
  'missing.accept': 'Accepter',
  'missing.decline': 'Ne pas accepter et se déconnecter',
  'missing.profile_title': 'Complétez votre profil',
  'missing.profile_lead': 'C’est nécessaire avant de continuer.',
  'missing.phone_hint': 'Avec l’indicatif du pays, par exemple +48 22 123 45 67.',
  'missing.profile_fault': 'Vérifiez encore : {fields}.',
  'missing.password_title': 'Choisissez un nouveau mot de passe',
  'missing.password_lead':
    'Il vous faut un autre mot de passe avant de continuer. Il met fin à toutes les autres sessions, et les applications devront vous demander de nouveau.',
  'missing.present_password': 'Mot de passe actuel',
  'missing.new_password': 'Nouveau mot de passe',
  'missing.wrong_password': 'Le mot de passe actuel n’est pas le bon.',
  'missing.same_password': 'Le nouveau mot de passe est l’actuel. Choisissez-en un autre.',
  'missing.too_many': 'Trop de tentatives. Attendez quelques minutes, puis réessayez.',
  'missing.save': 'Enregistrer et continuer',
  'missing.sign_out': 'Se déconnecter',

  'missing.address_title': 'Confirmer votre adresse e-mail',
  'missing.address_lead':
    'Un lien est envoyé à votre adresse. Ouvrez-le dans ce navigateur et confirmez, puis continuez ici.',
  'missing.address_proven': 'Je l’ai confirmée',
  'missing.address_again': 'Envoyer à nouveau',
  'missing.factor_title': 'Ajouter un second facteur',
  'missing.factor_lead':
    'Ici, un mot de passe ne suffit pas. Ajoutez une application d’authentification ou une clé d’accès pour continuer ; elle vous sera demandée la prochaine fois.',
  'missing.factor_app': 'Avec une application d’authentification',
  'missing.factor_passkey': 'Avec une clé d’accès',
  'missing.factor_mail': 'Avec un code par e-mail',
  'missing.factor_mail_lead':
    'Un code est envoyé à votre adresse et vaut pour cette fois. Avec une application ou une clé d’accès, aucun e-mail n’est nécessaire.',
  'missing.factor_mail_send': 'Envoyer un code',
  'missing.factor_mail_sent': 'Un code est en route vers {email}. Il est valable dix minutes.',
  'missing.factor_other': 'Autre moyen',
  'missing.code_refused':
    'Ce code est incorrect, déjà utilisé ou trop ancien. Réessayez ou demandez-en un nouveau.',
  'missing.factor_save': 'Ajouter et continuer',

  'field.name': 'Nom complet',
  'field.given_name': 'Prénom',
  'field.family_name': 'Nom de famille',
  'field.middle_name': 'Deuxième prénom',
  'field.nickname': 'Surnom',
  'field.gender': 'Genre',
  'field.birthdate': 'Date de naissance',
  'field.phone_number': 'Numéro de téléphone',

  'consents.title': 'Vos accords',
  'consents.none': 'Il n’y a rien à décider.',
  'consents.required': 'Obligatoire',
  'consents.guardian':
    'Vous êtes trop jeune pour accepter un texte sans aide. Un parent ou un tuteur décide, et s’adresse à ceux qui gèrent ce service.',
  'consents.by_guardian': 'Décidé par {guardian}.',
  'consents.read': 'Lire le texte',
  'consents.not_accepted': 'Non accepté',
  'consents.accepted': 'Accepté le {day}',
  'consents.outdated': 'Version antérieure acceptée le {day}',
  'consents.withdrawn': 'Retiré le {day}',
  'consents.newer': 'La nouvelle version est nécessaire à partir du {day}',
  'consents.accept': 'Accepter',
  'consents.accept_of': 'Accepter : {title}',
  'consents.withdraw': 'Retirer',
  'consents.withdraw_of': 'Retirer : {title}',
  'consents.withdraw_hint':
    'Le retrait vous déconnecte partout et met fin à l’accès de toutes les applications et de tous les assistants. On vous demandera de nouveau à la prochaine connexion.',
  'missing.renewed_title': 'Votre accès a été renouvelé',
  'missing.renewed': '{by} a créé le {time} un nouveau lien vers un mot de passe de votre compte.',
  'missing.renewed_note':
    'Les propriétaires de {place} ont créé votre compte et peuvent le faire. Si vous ne l’avez pas demandé, parlez-leur.',
  'missing.renewed_seen': 'Continuer',
}
