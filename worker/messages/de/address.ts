// German: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const deAddress: TextsOf<typeof enAddress> = {
  'address.title': 'E-Mail-Adresse',
  'address.lead':
    'Eine neue Adresse gilt, sobald Sie dem Link gefolgt sind, der an sie gesendet wird. Die jetzige wird benachrichtigt und kann dies eine Woche lang rückgängig machen.',
  'address.present': 'Jetzige Adresse',
  'address.new': 'Neue Adresse',
  'address.submit': 'Link senden',
  'address.too_many': 'Zu viele E-Mails. Warten Sie einige Minuten und versuchen Sie es erneut.',
  'address.sent_title': 'Sehen Sie in Ihre E-Mails',
  'address.sent': 'Ein Link an {email} ist unterwegs. Er gilt einen Tag.',
  'address.confirm_title': 'Ist das Ihre Adresse?',
  'address.confirm_lead': 'Sie wird die Adresse dieses Kontos: {email}',
  'address.confirm': 'Ja, diese Adresse verwenden',
  'address.undo_title': 'Alte Adresse wiederherstellen',
  'address.undo_lead':
    'Das Konto erhält wieder die Adresse {email}. Alle Sitzungen enden, Anwendungen müssen erneut fragen, und seither hinzugefügte Faktoren werden entfernt. Legen Sie ein neues Passwort fest.',
  'address.undo': 'Wiederherstellen',
  'address.undone':
    'Das Konto hat wieder die Adresse {email}. Melden Sie sich mit dem neuen Passwort an.',
  'address.done_title': 'Die Adresse ist geändert',
  'address.done': 'Das Konto hat jetzt die Adresse {email}.',
  'address.dead_title': 'Dieser Link funktioniert nicht',
  'address.dead': 'Er wurde benutzt, ist zu alt, oder das Konto wurde inzwischen geändert.',
  'address.taken': 'Ein anderes Konto hat diese Adresse.',
  'address.account': 'Konto',
  'address.confirm_further': 'Sie wird diesem Konto hinzugefügt: {email}',
  'address.added': 'Das Konto hat jetzt auch die Adresse {email}.',

  'names.title': 'Namen und Adressen',
  'names.lead':
    'Sie melden sich mit jeder bestätigten Adresse und mit Ihrem Benutzernamen an. E-Mails gehen an eine der Adressen.',
  'names.is_primary': 'Hierher gehen E-Mails',
  'names.is_unproven': 'nicht bestätigt',
  'names.kind_email': 'E-Mail-Adresse',
  'names.kind_user_name': 'Benutzername',
  'names.kind_phone': 'Telefon',
  'names.primary_button': 'E-Mails hierher senden',
  'names.remove_button': 'Entfernen',
  'names.add': 'Adresse hinzufügen',
  'names.primary': 'An diese Adresse gehen E-Mails. Lassen Sie sie erst an eine andere gehen.',
  'names.unproven':
    'Diese Adresse ist nicht bestätigt. Folgen Sie dem Link, der an sie gesendet wurde.',
  'names.busy': 'Das Konto wurde gleichzeitig geändert. Versuchen Sie es erneut.',
  'names.full': 'Das Konto hat so viele Namen, wie es haben kann. Entfernen Sie erst einen.',

  'new_password.title': 'Passwort ändern',
  'new_password.lead': 'Ihre anderen Browser werden abgemeldet.',
  'new_password.present': 'Jetziges Passwort',
  'new_password.new': 'Neues Passwort',
  'new_password.submit': 'Passwort ändern',
  'new_password.refused':
    'Das jetzige Passwort stimmt nicht. Prüfen Sie es und versuchen Sie es erneut.',
}
