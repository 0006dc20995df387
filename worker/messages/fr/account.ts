// French: the account of a person, and the applications that have access to it.
import type { enAccount } from '../en/account.ts'
import type { TextsOf } from '../text_types.ts'

export const frAccount: TextsOf<typeof enAccount> = {
  'account.title': 'Votre compte',
  'account.signed_in_as': 'Connecté en tant que',
  'account.sign_out': 'Se déconnecter',
  'account.failed':
    'Depuis votre visite précédente, {count, plural, one {une tentative} many {# tentatives} other {# tentatives}} de connexion à votre compte {count, plural, one {a échoué} many {ont échoué} other {ont échoué}}, la dernière le {time}. Si ce n’était pas vous, changez votre mot de passe.',
  'account.change_email': 'Changer d’adresse',
  'account.change_password': 'Changer de mot de passe',
  'account.profile': 'Profil',
  'account.see_profile': 'Changer votre nom et vos autres données',
  'account.security': 'Sécurité',
  'account.see_security': 'Clés d’accès, applications d’authentification et codes de récupération',
  'account.applications': 'Applications',
  'account.see_applications': 'Voir quelles applications ont accès',
  'account.consents': 'Accords',
  'account.see_consents': 'Voir ce que vous avez accepté, et le retirer',
  'account.data': 'Vos données',
  'account.see_data': 'Obtenir une copie de tout ce qui est conservé à votre sujet',
  'account.close': 'Fermer votre compte',
  'account.sessions': 'Où vous êtes connecté',
  'account.this_browser': 'Ce navigateur',
  'account.unknown_device': 'Appareil inconnu',
  'account.since': 'depuis le {time}',
  'account.since_from': '{address}, depuis le {time}',
  'account.end': 'Déconnecter',
  'account.end_of': 'Déconnecter\u00a0: {browser}',
  'account.everywhere': 'Se déconnecter partout',
  'account.everywhere_hint':
    'Met fin à toutes les sessions, y compris dans ce navigateur. Les applications qui gardent l’accès en votre absence le conservent\u00a0: retirez-le sous Applications.',

  'applications.title': 'Applications ayant accès',
  'applications.lead': 'Elles peuvent, en votre nom\u00a0:',
  'applications.none': 'Aucune application n’a accès à votre compte.',
  'applications.offline': 'Aussi en votre absence',
  'applications.since': 'Depuis le {day}',
  'applications.since_and_used': 'Depuis le {day}, dernière utilisation le {time}',
  'applications.withdraw': 'Retirer l’accès',
  'applications.withdraw_of': 'Retirer l’accès\u00a0: {client}',
  'applications.hint': 'Une application à laquelle vous retirez l’accès devra vous le redemander.',
  'applications.back': 'Retour à votre compte',

  'profile.title': 'Votre profil',
  'profile.save': 'Enregistrer',
  'profile.saved': 'Enregistré.',
  'profile.outrun':
    'Votre compte a été modifié au même moment. Vérifiez-le, puis enregistrez de nouveau.',
  'profile.none': 'Il n’y a rien ici que vous puissiez changer.',
}
