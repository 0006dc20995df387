// German: mails.
import type { enMail } from '../en/mail.ts'
import type { TextsOf } from '../text_types.ts'

export const deMail: TextsOf<typeof enMail> = {
  'mail.sender': '{service}',
  'mail.greeting': 'Guten Tag {name},',
  'mail.good_for_days':
    '{count, plural, one {Gültig für einen Tag und nur einmal.} other {Gültig für # Tage und nur einmal.}}',
  'mail.good_for_hours':
    '{count, plural, one {Gültig für eine Stunde und nur einmal.} other {Gültig für # Stunden und nur einmal.}}',
  'mail.good_for_minutes':
    '{count, plural, one {Gültig für eine Minute und nur einmal.} other {Gültig für # Minuten und nur einmal.}}',
  'mail.copy': 'Wenn die Schaltfläche nichts bewirkt, kopieren Sie diese Adresse in Ihren Browser:',
  'mail.client': 'Sie kamen von {client}.',
  'mail.foot': 'Diese E-Mail wurde von {service} gesendet. Antworten darauf liest niemand.',

  'mail_recovery.subject': 'Neues Passwort für {service} festlegen',
  'mail_recovery.heading': 'Neues Passwort festlegen',
  'mail_recovery.lead':
    'Über die Schaltfläche legen Sie ein neues Passwort für Ihr Konto bei {service} fest. Alle Sitzungen des Kontos enden dann.',
  'mail_recovery.button': 'Neues Passwort festlegen',
  'mail_recovery.note':
    'Wenn Sie darum nicht gebeten haben, tun Sie nichts: Ihr Passwort bleibt, wie es ist. Geben Sie den Link niemandem.',

  'mail_verify_address.subject': 'Adresse für {service} bestätigen',
  'mail_verify_address.heading': 'Adresse bestätigen',
  'mail_verify_address.lead':
    'Bestätigen Sie, dass diese Adresse Ihnen gehört und zu Ihrem Konto bei {service} gehören soll.',
  'mail_verify_address.button': 'Adresse bestätigen',
  'mail_verify_address.note':
    'Wenn Sie dort kein Konto haben, tun Sie nichts: Ohne Sie wird sie nicht bestätigt.',

  'mail_sign_up.subject': 'Ihr Konto bei {service}',
  'mail_sign_up.heading': 'Weiter mit Ihrem Konto',
  'mail_sign_up.lead':
    'Jemand, hoffentlich Sie, möchte mit dieser Adresse ein Konto bei {service}.',
  'mail_sign_up.button': 'Konto erstellen',
  'mail_sign_up.note': 'Wenn Sie es nicht waren, tun Sie nichts: Es entsteht kein Konto.',

  'mail_account_exists.subject': 'Sie haben ein Konto bei {service}',
  'mail_account_exists.heading': 'Sie haben ein Konto',
  'mail_account_exists.lead':
    'Jemand, hoffentlich Sie, wollte mit dieser Adresse ein neues Konto bei {service}. Es gibt schon eines: Melden Sie sich an oder legen Sie dort ein neues Passwort fest.',
  'mail_account_exists.button': 'Anmelden',
  'mail_account_exists.note': 'Wenn Sie es nicht waren, ist nichts zu tun.',

  'mail_address_changed.subject': 'Ihre Adresse bei {service} wurde geändert',
  'mail_address_changed.heading': 'Ihre Adresse wurde geändert',
  'mail_address_changed.lead':
    'Ihr Konto bei {service} hat jetzt die Adresse {address}. Diese hier gehört nicht mehr dazu.',
  'mail_address_changed.button': 'Das war ich nicht: rückgängig machen',
  'mail_address_changed.note': 'Wenn Sie sie selbst geändert haben, ist nichts zu tun.',

  'mail_addresses_changed.subject': 'Die Adressen Ihres Kontos bei {service} wurden geändert',
  'mail_addresses_changed.heading': 'Die Adressen Ihres Kontos wurden geändert',
  'mail_addresses_changed.added':
    'Ihrem Konto bei {service} wurde die Adresse {address} hinzugefügt. Damit kann man sich anmelden und ein neues Passwort setzen.',
  'mail_addresses_changed.primary':
    'E-Mails zu Ihrem Konto bei {service} gehen von nun an an die Adresse {address}.',

  'mail_sign_in_link.subject': 'Anmelden bei {service}',
  'mail_sign_in_link.heading': 'Anmelden',
  'mail_sign_in_link.lead':
    'Die Schaltfläche meldet Sie bei {service} an, und zwar in dem Browser, in dem Sie darum gebeten haben.',
  'mail_sign_in_link.button': 'Anmelden',
  'mail_sign_in_link.note':
    'Wenn Sie darum nicht gebeten haben, tun Sie nichts. Geben Sie den Link niemandem.',

  'mail_sign_in_code.subject': 'Ihr Code für {service}',
  'mail_sign_in_code.heading': 'Ihr Code',
  'mail_sign_in_code.lead': 'Geben Sie diesen Code ein, wo {service} Sie danach fragt:',
  'mail_sign_in_code.note':
    'Wenn Sie sich gerade nicht anmelden, versucht es jemand anderes. Geben Sie den Code niemandem: Niemand, der für {service} arbeitet, fragt je danach.',

  'mail_invitation.subject': 'Einladung zu {service}',
  'mail_invitation.heading': 'Sie sind eingeladen',
  'mail_invitation.lead': 'Sie sind eingeladen, ein Konto bei {service} anzulegen.',
  'mail_invitation.inviter': 'Die Einladung kommt von {inviter}.',
  'mail_invitation.place': 'Sie führt zu: {place}.',
  'mail_invitation.button': 'Einladung annehmen',
  'mail_invitation.note': 'Wenn Sie keine Einladung erwarten, tun Sie nichts.',

  'mail_account_closed.subject': 'Ihr Konto bei {service} ist geschlossen',
  'mail_account_closed.heading': 'Ihr Konto ist geschlossen',
  'mail_account_closed.lead':
    'Ihr Konto bei {service} wurde geschlossen. Es wird am {day} gelöscht, mit allem darin.',
  'mail_account_closed.keep':
    'Bis dahin können Sie es behalten: Melden Sie sich an und wählen Sie, das Konto zu behalten.',
  'mail_account_closed.button': 'Anmelden',
  'mail_account_closed.note':
    'Wenn nicht Sie es geschlossen haben, melden Sie sich an, behalten Sie es und ändern Sie Ihr Passwort.',

  'mail_factor_removed.subject': 'Ein Anmeldefaktor bei {service} wurde entfernt',
  'mail_factor_removed.heading': 'Ein Faktor wurde entfernt',
  'mail_factor_removed.lead': 'Der Faktor „{factor}“ schützt Ihr Konto bei {service} nicht mehr.',
  'mail_factor_removed.button': 'Das war ich nicht: rückgängig machen',
  'mail_factor_removed.note': 'Wenn Sie das wollten, ist nichts zu tun.',

  'mail_factor_added.subject': 'Ihre Anmeldung bei {service} hat sich geändert',
  'mail_factor_added.heading': 'Ihre Anmeldung hat sich geändert',
  'mail_factor_added.app':
    'Die Authentifizierungs-App „{factor}“ dient jetzt neben Ihrem Passwort zur Anmeldung bei {service}.',
  'mail_factor_added.passkey': 'Der Passkey „{factor}“ dient jetzt zur Anmeldung bei {service}.',
  'mail_factor_added.codes':
    'Für Ihr Konto bei {service} wurden neue Wiederherstellungscodes erstellt. Die bisherigen gelten nicht mehr.',
  'mail_factor_added.note':
    'Wenn Sie das nicht waren, setzen Sie gleich ein neues Passwort und sehen Sie auf der Sicherheitsseite Ihres Kontos nach.',

  'mail_recovery_codes_low.subject': 'Wenige Wiederherstellungscodes bei {service} übrig',
  'mail_recovery_codes_low.heading': 'Wenige Wiederherstellungscodes übrig',
  'mail_recovery_codes_low.lead':
    'Für Ihr Konto bei {service} {left, plural, one {ist noch ein Wiederherstellungscode} other {sind noch # Wiederherstellungscodes}} übrig.',
  'mail_recovery_codes_low.note':
    'Melden Sie sich an und erstellen Sie auf der Seite Ihres Kontos neue, bevor Sie sie brauchen.',

  'mail_new_browser.subject': 'Neue Anmeldung bei {service}',
  'mail_new_browser.heading': 'Eine neue Anmeldung',
  'mail_new_browser.lead':
    'Ihr Konto bei {service} wurde in einem Browser geöffnet, den es nicht kennt: {browser}, von {address}, {time}.',
  'mail_new_browser.note':
    'Wenn Sie das nicht waren, legen Sie ein neues Passwort fest und melden Sie sich auf der Seite Ihres Kontos überall ab.',

  'mail_test.subject': 'Eine Test-E-Mail von {service}',
  'mail_test.heading': 'Es funktioniert',
  'mail_test.lead': 'E-Mails von {service} kommen bei dieser Adresse an.',
  'mail_test.note': 'Ein Operator hat diese E-Mail gesendet, um den Versand zu prüfen.',
}
