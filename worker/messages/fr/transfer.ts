// French: a place that gets a new owner, and its mail.

import type { enTransfer } from '../en/transfer.ts'
import type { TextsOf } from '../text_types.ts'

export const frTransfer: TextsOf<typeof enTransfer> = {
  'transfer.title': 'Un lieu vous est proposé',
  'transfer.inviter': 'La proposition vient de {inviter}.',
  'transfer.place': 'Le lieu\u00a0: {place}.',
  'transfer.what':
    'Si vous acceptez, le lieu est à vous. Toutes les autres personnes perdent l’accès, et les appareils continuent de fonctionner.',
  'transfer.there_is_account':
    'Il existe un compte avec cette adresse. Connectez-vous pour accepter le lieu.',
  'transfer.accept_lead': 'Le lieu a été proposé à {address}. L’accepter avec ce compte\u00a0?',
  'transfer.accept': 'Accepter le lieu',
  'transfer.ends': 'Cela prend alors fin\u00a0:',
  'transfer.people': 'Personnes qui perdent l’accès\u00a0: {count, number}',
  'transfer.grants': 'Droits\u00a0: {count, number}',
  'transfer.invitations': 'Invitations en attente\u00a0: {count, number}',
  'transfer.links': 'Liens d’assistants et d’applications\u00a0: {count, number}',
  'transfer.claim_tokens':
    'Secrets par lesquels de nouveaux appareils arrivent\u00a0: {count, number}',
  'transfer.credentials': 'Clés d’appareils\u00a0: {count, number}',
  'transfer.tokens': 'Jetons d’appareils\u00a0: {count, number}',
  'transfer.end_credentials':
    'Mettre fin aux clés ajoutées jusqu’ici aux appareils ({count, number}). Un appareil sans autre clé doit être configuré à nouveau.',
  'transfer.end_tokens':
    'Mettre fin aux jetons créés jusqu’ici pour les appareils ({count, number}). Un appareil qui n’a qu’un tel jeton doit être configuré à nouveau.',
  'transfer.done_title': 'Le lieu est à vous',
  'transfer.done': '{place} est à vous. Cela a pris fin\u00a0:',
  'transfer.dead_title': 'Ce lieu ne peut pas être accepté',
  'transfer.dead':
    'La proposition a été acceptée ou retirée, ou elle a expiré. Demandez-en une nouvelle.',
  'transfer.powerless':
    'La personne qui a proposé le lieu ne peut plus le donner, ou il a changé entre-temps. Demandez une nouvelle proposition.',
  'mail_transfer.subject': 'Un lieu vous est proposé chez {service}',
  'mail_transfer.heading': 'Un lieu pour vous',
  'mail_transfer.lead': 'On vous propose {place}.',
  'mail_transfer.inviter': 'La proposition vient de {inviter}.',
  'mail_transfer.button': 'Voir la proposition',
  'mail_transfer.note': 'Si vous ne vous y attendez pas, ne faites rien.',
}
