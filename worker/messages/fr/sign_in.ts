// French: signing in and out, the first operator, a new password, forms and errors.
import type { enSignIn } from '../en/sign_in.ts'
import type { TextsOf } from '../text_types.ts'

export const frSignIn: TextsOf<typeof enSignIn> = {
  'sign_in.title': 'Se connecter',
  'sign_in.lead': 'pour continuer vers {client}',
  'sign_in.email': 'Adresse e-mail',
  'sign_in.email_or_user_name': 'Adresse e-mail ou nom d’utilisateur',
  'sign_in.user_name': 'Nom d’utilisateur',
  'sign_in.password': 'Mot de passe',
  'sign_in.submit': 'Se connecter',
  'sign_in.forgotten': 'Mot de passe oublié\u00a0?',
  'sign_in.sign_up': 'Créer un compte',
  'sign_in.link': 'Se connecter par un lien envoyé par e-mail',
  'sign_in.refused':
    'L’adresse e-mail ou le mot de passe est incorrect. Vérifiez les deux et réessayez.',
  'sign_in.too_many': 'Trop de tentatives. Patientez quelques minutes, puis réessayez.',

  'passkey.sign_in': 'Se connecter avec une clé d’accès',
  'passkey.use': 'Utiliser une clé d’accès',
  'passkey.create': 'Créer une clé d’accès',
  'passkey.refused': 'Cette clé d’accès n’a pas fonctionné. Réessayez ou connectez-vous autrement.',
  'passkey.expired': 'Cette page est restée ouverte trop longtemps. Réessayez.',
  'passkey.not_used': 'Aucune clé d’accès n’a été utilisée. Réessayez ou continuez autrement.',
  'passkey.not_made': 'Aucune clé d’accès n’a été créée. Réessayez quand vous serez prêt.',
  'passkey.already': 'Cet appareil possède déjà une clé d’accès pour votre compte.',
  'passkey.not_supported':
    'Cet appareil ne peut pas créer une telle clé d’accès. Essayez-en un autre, par exemple votre téléphone.',
  'passkey.wrong_host': 'Les clés d’accès ne fonctionnent pas à cette adresse.',
  'passkey.failed': 'Le navigateur n’a pas pu le faire. Réessayez.',
  'passkey.none': 'Ce navigateur ne connaît pas les clés d’accès.',
  'passkey.no_script':
    'Les clés d’accès nécessitent JavaScript, qui est désactivé dans ce navigateur.',

  'sign_up.title': 'Créer un compte',
  'sign_up.lead': 'Saisissez votre adresse e-mail. Vous recevrez un lien pour continuer.',
  'sign_up.submit': 'Envoyer le lien',
  'sign_up.back': 'Retour à la connexion',
  'sign_up.sent_title': 'Consultez votre messagerie',
  'sign_up.sent':
    'Un message est en route vers {email}. Son lien est valable un jour. Regardez aussi parmi les messages indésirables.',
  'sign_up.account_title': 'Votre nouveau compte',
  'sign_up.name': 'Nom (facultatif)',
  'sign_up.create': 'Créer le compte',
  'sign_up.name_refused': 'Donnez un nom visible de 200 caractères au plus.',
  'sign_up.accept': 'J’accepte : {title}',
  'sign_up.texts_refused':
    'Acceptez chaque texte pour continuer. Sans cela, il n’y a pas de compte.',
  'sign_up.dead': 'Il a été utilisé ou date de plus d’un jour. Demandez-en un autre.',
  'sign_up.off': 'Les comptes sont créés par ceux qui gèrent ce service.',
  'sign_up.by_invitation':
    'Ici, les nouveaux comptes se font sur invitation. Suivez le lien de votre invitation, ou demandez-en une.',

  'sign_in_link.title': 'Se connecter par un lien',
  'sign_in_link.lead':
    'Saisissez l’adresse e-mail de votre compte. Vous recevrez un lien qui vous connecte dans ce navigateur.',
  'sign_in_link.sent':
    'S’il existe un compte avec l’adresse {email}, un lien est en route. Ouvrez-le dans ce navigateur, dans les dix minutes.',
  'sign_in_link.back': 'Retour à la connexion',
  'sign_in_link.dead': 'Il a été utilisé ou date de plus de dix minutes. Demandez-en un autre.',
  'sign_in_link.elsewhere':
    'Ouvrez le lien dans le navigateur où vous l’avez demandé, ou demandez-en un autre ici.',
  'sign_in_link.off': 'Ce service ne connecte personne par un lien.',

  'logout.title': 'Se déconnecter',
  'logout.client_asks': '{client} demande à vous déconnecter.',
  'logout.lead': 'Vous serez déconnecté de ce navigateur.',
  'logout.submit': 'Se déconnecter',
  'logout.cancel': 'Rester connecté',

  'signed_out.title': 'Vous êtes déconnecté',
  'signed_out.text': 'Fermez aussi le navigateur si d’autres personnes utilisent cet ordinateur.',
  'signed_out.sign_in': 'Se reconnecter',
  'signed_out.back': 'Continuer vers {host}',

  'setup.title': 'Créer le premier opérateur',
  'setup.lead': 'Ce compte peut tout gérer\u00a0: personnes, appareils, applications et accès.',
  'setup.email': 'Adresse e-mail',
  'setup.password': 'Mot de passe',
  'setup.submit': 'Créer l’opérateur',
  'setup.dead_title': 'Ce lien n’est plus valable',
  'setup.dead':
    'Il a déjà servi, date de plus d’une heure, ou un opérateur existe déjà. S’il n’y en a aucun, un redémarrage affiche un nouveau lien, de même que la commande setup-link.',

  'recovery.title': 'Choisir un nouveau mot de passe',
  'recovery.lead':
    'Toutes les sessions de votre compte prendront fin, et les applications devront vous redemander l’accès.',
  'recovery.account': 'Compte',
  'recovery.password': 'Nouveau mot de passe',
  'recovery.submit': 'Enregistrer le mot de passe',
  'recovery.dead_title': 'Ce lien ne fonctionne pas',
  'recovery.dead_unknown':
    'Il est incomplet, ou un lien plus récent l’a remplacé. Demandez-en un autre.',
  'recovery.dead_expired': 'Il date de plus d’une heure. Demandez-en un autre.',
  'recovery.dead_used':
    'Un nouveau mot de passe a déjà été choisi avec ce lien. Si ce n’était pas vous, prévenez immédiatement les responsables de ce service.',
  'recovery.done_title': 'Votre mot de passe est modifié',
  'recovery.done':
    'Toutes les sessions ont pris fin, et les applications devront vous redemander l’accès.',
  'recovery.sign_in': 'Se connecter',

  'recovery_request.title': 'Mot de passe oublié\u00a0?',
  'recovery_request.lead':
    'Saisissez l’adresse e-mail de votre compte. Vous recevrez un lien pour choisir un nouveau mot de passe.',
  'recovery_request.submit': 'Envoyer le lien',
  'recovery_request.back': 'Retour à la connexion',
  'recovery_request.too_many': 'Trop de demandes. Patientez quelques minutes, puis réessayez.',
  'recovery_request.sent_title': 'Consultez votre messagerie',
  'recovery_request.sent':
    'S’il existe un compte avec l’adresse {email}, un lien est en route vers elle. Il est valable une heure. Regardez aussi parmi les messages indésirables.',

  'form_post.title': 'Un instant',
  'form_post.lead': 'Vous retournez vers {host}.',
  'form_post.submit': 'Continuer',

  'form.out_of_date':
    'Le formulaire est périmé ou a été envoyé depuis un autre site. Revenez en arrière, rechargez la page et réessayez.',
  'form.email_invalid': 'Saisissez une adresse e-mail telle que ann@example.com.',
  'form.email_taken': 'Il existe déjà un compte avec cette adresse e-mail.',
  'form.action': 'Le formulaire a été envoyé sans bouton connu.',

  'password.hint':
    'Au moins {min, plural, one {# caractère} other {# caractères}}. Quatre ou cinq mots choisis au hasard conviennent bien.',
  'password.control': 'Le mot de passe ne doit pas contenir de caractères de contrôle.',
  'password.too_long': 'Le mot de passe ne doit pas dépasser {max, number} octets.',
  'password.too_short':
    'Le mot de passe doit comporter au moins {min, plural, one {# caractère} other {# caractères}}.',
  'password.guessable':
    'Ce mot de passe est de ceux que l’on essaie en premier. Choisissez quatre ou cinq mots au hasard.',
  'password.breached':
    'Ce mot de passe est connu à la suite d’une fuite de données et serait donc deviné. Choisissez quatre ou cinq mots au hasard.',

  'error.title': 'Cela n’a pas fonctionné',
  'error.not_found_title': 'Page introuvable',
  'error.not_found': 'Il n’y a pas de page à cette adresse.',
  'error.ended':
    'Cette opération a pris fin ou est déjà terminée. Retournez à l’application et recommencez.',
  'error.unknown_client': 'L’application qui vous envoie n’est pas connue ici.',
  'error.not_allowed': 'Votre compte n’a pas les droits que l’application demande.',
  'error.refused':
    'Cette demande ne peut pas aboutir. Si une application vous a envoyé ici, prévenez ses responsables.',
  'error.too_many': 'Trop de tentatives sont venues de votre réseau. Réessayez plus tard.',
  'error.busy': 'Le service est occupé. Réessayez dans un instant.',
  'error.internal': 'Un problème est survenu ici. Réessayez plus tard.',
  'error.request': 'Demande {id}',
  'error.footer': 'Vous pouvez fermer cette page, ou revenir en arrière et réessayer.',

  'language.title': 'Langue',
  'language.change': 'Changer de langue\u00a0: {language}',
  'language.account': 'Les messages qui vous sont envoyés seront aussi dans cette langue.',
  'language.back': 'Retour sans changement',
}
