// French: an application, a voice assistant or a device asks for access, and which rights it asks
// for.
import type { enConsent } from '../en/consent.ts'
import type { TextsOf } from '../text_types.ts'

export const frConsent: TextsOf<typeof enConsent> = {
  'consent.title': 'Autoriser l’accès de {client}',
  'consent.lead': '{client} demande l’accès à votre compte',
  'consent.switch_account': 'Utiliser un autre compte',
  'consent.may': 'L’application pourra alors',
  'consent.nothing': 'savoir que vous êtes connecté, et rien d’autre',
  'consent.at': 'Elle s’en servira auprès de',
  'consent.allow': 'Autoriser',
  'consent.deny': 'Refuser',
  'consent.sent_to':
    'Dans les deux cas, vous retournerez vers {host}. N’autorisez que si vous connaissez cette adresse.',
  'consent.client': 'Application\u00a0: {client_id}',

  'client.policy': 'Confidentialité chez {client}',
  'client.terms': 'Conditions d’utilisation de {client}',

  'linking.title': 'Associer votre compte à {vendor}',
  'linking.lead': 'Votre compte {service} sera associé à {vendor}.',
  'linking.authorize':
    'En associant votre compte, vous autorisez {vendor} à commander vos appareils chez {service}.',
  'linking.may': '{vendor} pourra alors',
  'linking.lasting': 'garder cet accès jusqu’à ce que vous dissociiez le compte',
  'linking.allow': 'Accepter et associer',
  'linking.deny': 'Annuler',
  'linking.begun':
    'Continuez seulement si vous avez commencé dans l’application {app}, où vous pourrez dissocier le compte à tout moment.',
  'linking.sent_to': 'Dans les deux cas, vous retournerez vers {host}.',
  'linking.privacy': 'Confidentialité chez {owner}',

  'device.title': 'Connecter un appareil',
  'device.lead': 'Saisissez le code que l’appareil affiche.',
  'device.code': 'Code',
  'device.continue': 'Continuer',
  'device.refused':
    'Ce code est incorrect ou n’est plus valable. Comparez-le avec celui de l’appareil et réessayez.',
  'device.too_many': 'Trop de tentatives. Patientez quelques minutes, puis réessayez.',
  'device.ask_title': 'Connecter {client}',
  'device.ask': 'Connecter {client} à votre compte\u00a0?',
  'device.warning':
    'N’autorisez que si l’appareil est devant vous et affiche le même code. Si quelqu’un vous a envoyé le code ou un lien, refusez\u00a0: cette personne entrerait dans votre compte.',
  'device.may': 'L’appareil pourra alors',
  'device.allowed_title': 'L’appareil est connecté',
  'device.allowed':
    'La suite s’y fait toute seule en quelques secondes. Vous pouvez fermer cette page.',
  'device.denied_title': 'Rien n’a été connecté',
  'device.denied':
    'L’appareil n’obtient aucun accès à votre compte. Vous pouvez fermer cette page.',

  'scope.openid': 'savoir qui vous êtes',
  'scope.profile': 'voir votre nom, votre langue et le reste de votre profil',
  'scope.email': 'voir votre adresse e-mail',
  'scope.address': 'voir votre adresse postale',
  'scope.phone': 'voir votre numéro de téléphone',
  'scope.roles': 'voir quels rôles vous avez ici',
  'scope.groups': 'voir à quels groupes vous appartenez',
  'scope.offline_access': 'garder cet accès en votre absence',
  'scope.mqtt': 'voir et commander les appareils que vous pouvez utiliser',
  'scope.manage': 'tout gérer ici en votre nom',
  'scope.users_read': 'voir les personnes en votre nom',
  'scope.users_write': 'modifier les personnes en votre nom',
  'scope.devices_read': 'voir les appareils en votre nom',
  'scope.devices_write': 'modifier les appareils en votre nom',
  'scope.access_read': 'voir les groupes, les rôles et les accès en votre nom',
  'scope.access_write': 'modifier les groupes, les rôles et les accès en votre nom',
  'scope.clients_read': 'voir les applications en votre nom',
  'scope.clients_write': 'modifier les applications en votre nom',
  'scope.keys_read': 'voir les clés de signature en votre nom',
  'scope.keys_write': 'modifier les clés de signature en votre nom',
  'scope.events_read': 'voir le journal des événements en votre nom',
  'scope.events_write': 'modifier le journal des événements en votre nom',
  'scope.settings_read': 'voir les réglages en votre nom',
  'scope.settings_write': 'modifier les réglages en votre nom',
  'scope.other': 'utiliser ce que l’application appelle',

  'claim.name': 'voir votre nom',
  'claim.given_name': 'voir votre prénom',
  'claim.family_name': 'voir votre nom de famille',
  'claim.middle_name': 'voir votre deuxième prénom',
  'claim.nickname': 'voir votre surnom',
  'claim.preferred_username': 'voir votre nom d’utilisateur',
  'claim.profile': 'voir votre page de profil',
  'claim.picture': 'voir votre photo',
  'claim.website': 'voir votre site web',
  'claim.gender': 'voir votre genre',
  'claim.birthdate': 'voir votre date de naissance',
  'claim.zoneinfo': 'voir votre fuseau horaire',
  'claim.locale': 'voir votre langue',
  'claim.email': 'voir votre adresse e-mail',
  'claim.phone_number': 'voir votre numéro de téléphone',
  'claim.address': 'voir votre adresse postale',
  'claim.updated_at': 'voir quand votre profil a été modifié pour la dernière fois',
  'claim.email_verified': 'voir si votre adresse e-mail a été vérifiée',
  'claim.phone_number_verified': 'voir si votre numéro de téléphone a été vérifié',
  'claim.other': 'voir cette information sur vous\u00a0: {claim}',

  'action.device_read': 'voir',
  'action.device_command': 'commander',
  'action.subscribe': 'recevoir les messages de',
  'action.publish': 'envoyer des messages pour',

  'right.details': '{actions}\u00a0: {objects}',
  'right.details_allowed': 'utiliser les appareils et groupes qu’elle a nommés lors de sa demande',
}
