// French: closing an account, keeping it, and a copy of the data in it.
import type { enLeaving } from '../en/leaving.ts'
import type { TextsOf } from '../text_types.ts'

export const frLeaving: TextsOf<typeof enLeaving> = {
  'closing.title': 'Fermer votre compte',
  'closing.lead':
    'Vous êtes aussitôt déconnecté partout, et les applications et assistants perdent leur accès.',
  'closing.grace':
    'Pendant {days, plural, one {# jour} many {# jours} other {# jours}}, vous pouvez vous connecter et garder le compte. Ensuite, il est supprimé pour toujours, avec tout son contenu.',
  'closing.at_once':
    'Il est supprimé immédiatement et pour toujours, avec tout son contenu. Personne ne peut l’annuler.',
  'closing.copy': 'Obtenir d’abord une copie de vos données',
  'closing.submit': 'Fermer le compte',
  'closing.last_operator':
    'Vous êtes le dernier opérateur\u00a0: sans vous, personne ne pourrait gérer ce service. Nommez d’abord un autre opérateur.',
  'closing.done_title': 'Votre compte est fermé',
  'closing.done': 'Il sera supprimé le {day}. D’ici là, vous pouvez vous connecter et le garder.',
  'closing.deleted_title': 'Votre compte est supprimé',
  'closing.deleted': 'Tout son contenu est effacé.',
  'closing.sign_in': 'Se connecter',
  'keep.title': 'Votre compte est fermé',
  'keep.lead': 'Il sera supprimé le {day}, avec tout son contenu.',
  'keep.submit': 'Garder le compte',
  'keep.leave': 'Le laisser fermé',
  'keep.hint': 'Les applications et assistants qui avaient accès devront vous le redemander.',
}
