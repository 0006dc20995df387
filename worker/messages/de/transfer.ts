// German: a place that gets a new owner, and its mail.

import type { enTransfer } from '../en/transfer.ts'
import type { TextsOf } from '../text_types.ts'

export const deTransfer: TextsOf<typeof enTransfer> = {
  'transfer.title': 'Ihnen wird ein Ort angeboten',
  'transfer.inviter': 'Das Angebot kommt von {inviter}.',
  'transfer.place': 'Der Ort: {place}.',
  'transfer.what':
    'Wenn Sie annehmen, gehört der Ort Ihnen. Alle anderen verlieren den Zugang, und die Geräte laufen weiter.',
  'transfer.there_is_account':
    'Zu dieser Adresse gibt es ein Konto. Melden Sie sich an, um den Ort anzunehmen.',
  'transfer.accept_lead': 'Der Ort wurde {address} angeboten. Mit diesem Konto annehmen?',
  'transfer.accept': 'Ort annehmen',
  'transfer.ends': 'Dann endet:',
  'transfer.people': 'Personen, die den Zugang verlieren: {count, number}',
  'transfer.grants': 'Rechte: {count, number}',
  'transfer.invitations': 'Offene Einladungen: {count, number}',
  'transfer.links': 'Verknüpfungen mit Assistenten und Apps: {count, number}',
  'transfer.claim_tokens': 'Geheimnisse, mit denen neue Geräte hinzukommen: {count, number}',
  'transfer.credentials': 'Schlüssel von Geräten: {count, number}',
  'transfer.tokens': 'Token von Geräten: {count, number}',
  'transfer.end_credentials':
    'Die Schlüssel beenden, die bisher zu Geräten hinzugefügt wurden ({count, number}). Ein Gerät ohne anderen Schlüssel muss neu eingerichtet werden.',
  'transfer.end_tokens':
    'Die Token beenden, die bisher für Geräte erstellt wurden ({count, number}). Ein Gerät, das nur ein solches hat, muss neu eingerichtet werden.',
  'transfer.done_title': 'Der Ort gehört Ihnen',
  'transfer.done': '{place} gehört jetzt Ihnen. Das wurde beendet:',
  'transfer.dead_title': 'Dieser Ort kann nicht angenommen werden',
  'transfer.dead':
    'Das Angebot wurde angenommen oder zurückgezogen, oder es ist abgelaufen. Bitten Sie um ein neues.',
  'transfer.powerless':
    'Das Angebot kann nicht mehr eingelöst werden, oder der Ort wurde inzwischen geändert. Bitten Sie um ein neues.',
  'mail_transfer.subject': 'Ihnen wird bei {service} ein Ort angeboten',
  'mail_transfer.heading': 'Ein Ort für Sie',
  'mail_transfer.lead': 'Ihnen wird {place} angeboten.',
  'mail_transfer.inviter': 'Das Angebot kommt von {inviter}.',
  'mail_transfer.button': 'Angebot ansehen',
  'mail_transfer.note': 'Wenn Sie das nicht erwarten, tun Sie nichts.',
}
