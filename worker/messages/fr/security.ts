// French: passkeys and second factors, at the sign-in and in the account.
import type { enSecurity } from '../en/security.ts'
import type { TextsOf } from '../text_types.ts'

export const frSecurity: TextsOf<typeof enSecurity> = {
  'second_factor.title': 'Encore une étape',
  'second_factor.lead':
    'Saisissez le code qu’affiche votre application d’authentification. Un code de récupération convient aussi.',
  'second_factor.lead_passkey': 'Utilisez votre clé d’accès ou saisissez un code de récupération.',
  'second_factor.lead_both':
    'Utilisez votre clé d’accès ou saisissez le code qu’affiche votre application d’authentification. Un code de récupération convient aussi.',
  'second_factor.account': 'Compte',
  'second_factor.code': 'Code',
  'second_factor.recovery_code': 'Code de récupération',
  'second_factor.submit': 'Continuer',
  'second_factor.other': 'Utiliser un autre compte',
  'second_factor.refused':
    'Ce code est incorrect ou a déjà servi. Attendez le suivant et réessayez.',
  'second_factor.too_many': 'Trop de codes incorrects. Patientez quelques minutes, puis réessayez.',
  'second_factor.trust':
    'Ne plus demander dans ce navigateur pendant {days, plural, one {# jour} other {# jours}}',
  'second_factor.ended_title': 'Cette connexion a pris fin',
  'second_factor.ended':
    'Elle a duré trop longtemps, ou le compte a été modifié entre-temps. Connectez-vous de nouveau.',

  'removed_factor.title': 'Rétablir le facteur',
  'removed_factor.lead':
    'Un opérateur a supprimé « {factor} ». Le rétablir met fin à toute connexion depuis lors et retire les facteurs ajoutés depuis.',
  'removed_factor.done_title': 'Le facteur est rétabli',
  'removed_factor.done':
    '« {factor} » protège à nouveau votre compte. Si vous n’avez pas demandé sa suppression, changez aussi votre mot de passe.',

  'security.title': 'Sécurité',
  'security.lead':
    'Avec une clé d’accès ou une application d’authentification, un mot de passe volé n’ouvre rien à lui seul.',
  'security.passkeys': 'Clés d’accès',
  'security.no_passkeys':
    'Vous n’en avez pas encore. Avec une clé d’accès, vous vous connectez avec votre doigt, votre visage ou un code PIN.',
  'security.synced': 'synchronisée',
  'security.rename': 'Renommer',
  'security.new_name': 'Nouveau nom',
  'security.save_name': 'Enregistrer',
  'security.add_passkey': 'Ajouter une clé d’accès',
  'security.passkey_lead':
    'Votre appareil crée une clé qui vous connecte avec votre doigt, votre visage ou un code PIN, sans mot de passe.',
  'security.passkey_name': 'Clé d’accès',
  'security.passkey_taken':
    'Cette clé d’accès ne peut pas être ajoutée. Elle s’y trouve peut-être déjà\u00a0: consultez votre liste.',
  'security.passkey_refused':
    'Cette clé d’accès ne peut pas être ajoutée. Réessayez, ou avec un autre appareil.',
  'security.passkey_many': 'Il ne peut pas y en avoir plus. Supprimez-en d’abord une.',
  'security.last_way_in':
    'Cette clé d’accès est votre seul moyen d’entrer. Ajoutez-en une autre avant de la supprimer.',
  'security.factor_demanded':
    'Un second facteur est exigé de vous, et celui-ci est le seul. Ajoutez-en un autre avant de le supprimer.',
  'security.apps': 'Applications d’authentification',
  'security.none': 'Vous n’en avez pas encore.',
  'security.since': 'depuis le {time}',
  'security.last_used': 'dernière utilisation le {time}',
  'security.remove': 'Supprimer',
  'security.add': 'Ajouter une application d’authentification',
  'security.codes': 'Codes de récupération',
  'security.codes_left':
    'Il reste {count, plural, one {# code} other {# codes}}. Chacun remplace une fois votre clé d’accès ou l’application, si le téléphone est perdu.',
  'security.make_codes': 'Créer de nouveaux codes',
  'security.back': 'Retour à votre compte',
  'security.add_lead':
    'Scannez cette image avec l’application, ou saisissez-y la clé. Saisissez ensuite le code qu’elle affiche.',
  'security.image': 'Code QR contenant la clé',
  'security.key': 'Clé',
  'security.name': 'Nom',
  'security.name_hint': 'Pour la reconnaître, par exemple le nom du téléphone.',
  'security.default_name': 'Application d’authentification',
  'security.code': 'Code',
  'security.save': 'Ajouter',
  'security.cancel': 'Annuler',
  'security.refused': 'Ce code ne correspond pas à la clé. Attendez le suivant et réessayez.',
  'security.name_refused': 'Donnez un nom visible de 60 caractères au plus.',
  'security.expired': 'Cette clé est trop ancienne. Scannez la nouvelle.',
  'security.codes_title': 'Vos codes de récupération',
  'security.codes_lead':
    'Conservez-les là où vous les trouverez sans votre téléphone. Ils ne sont affichés que cette fois et remplacent tous les codes précédents.',
  'security.codes_kept': 'Je les ai conservés',
}
