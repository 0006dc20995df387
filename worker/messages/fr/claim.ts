// French: claiming a device with the code on its box.

import type { enClaim } from '../en/claim.ts'
import type { TextsOf } from '../text_types.ts'

export const frClaim: TextsOf<typeof enClaim> = {
  'claim.title': 'Ajouter un appareil',
  'claim.lead': 'Saisissez le code qui se trouve sur la boîte ou sur l’appareil.',
  'claim.code': 'Code',
  'claim.continue': 'Continuer',
  'claim.dead':
    'Ce code ne peut pas être utilisé. Comparez-le avec la boîte\u00a0; un code vaut une fois et pour un temps limité.',
  'claim.ask': 'Ajouter cet appareil à votre lieu\u00a0?',
  'claim.serial': 'Numéro de série\u00a0: {serial}',
  'claim.what': 'Les personnes du lieu pourront l’utiliser. Qui l’avait avant perd l’accès.',
  'claim.sign_in': 'Connectez-vous pour l’ajouter à votre lieu, ou créez d’abord un compte.',
  'claim.place': 'Dans quel lieu le mettre\u00a0?',
  'claim.new_place': 'Un nouveau lieu',
  'claim.new_name': 'Nom du nouveau lieu',
  'claim.submit': 'Ajouter l’appareil',
  'claim.another': 'Utiliser un autre code',
  'claim.no_place':
    'Vous ne gérez aucun lieu, et on ne peut pas en créer ici. Demandez au propriétaire d’un lieu d’ajouter l’appareil.',
  'claim.place_needed': 'Choisissez un lieu. Un nouveau lieu a besoin d’un nom.',
  'claim.place_refused':
    'Vous ne pouvez pas ajouter d’appareils à ce lieu. Choisissez-en un autre.',
  'claim.too_wide':
    'Avec cet appareil, les droits dans ce lieu ne tiendraient plus dans un jeton. Choisissez un autre lieu.',
  'claim.done_title': 'L’appareil a été ajouté',
  'claim.done': 'Il est maintenant dans {place}. Le code de la boîte ne peut plus être utilisé.',
}
