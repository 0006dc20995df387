// German: whatever a person lacks after a sign-in, and the consents of the account.
import type { enRequirements } from '../en/requirements.ts'
import type { TextsOf } from '../text_types.ts'

export const deRequirements: TextsOf<typeof enRequirements> = {
  'missing.read': 'Lesen: {title}',
  'missing.consent_lead': 'Lesen Sie dies und stimmen Sie zu, um fortzufahren.',
  'missing.consent_again_lead':
    'Um fortzufahren, wird Ihre Zustimmung noch einmal gebraucht. Der Text kann sich seither geändert haben.',
  'missing.guardian_lead':
    'Sie sind zu jung, um darüber allein zu entscheiden. Für Sie entscheidet ein Elternteil oder Vormund: Bitten Sie diese Person, sich an die Betreiber dieses Dienstes zu wenden. Melden Sie sich danach wieder an.',
  'missing.accept': 'Zustimmen',
  'missing.decline': 'Nicht zustimmen und abmelden',
  'missing.profile_title': 'Profil vervollständigen',
  'missing.profile_lead': 'Das wird gebraucht, bevor Sie fortfahren.',
  'missing.phone_hint': 'Mit der Landesvorwahl, zum Beispiel +48 22 123 45 67.',
  'missing.profile_fault': 'Prüfen Sie noch einmal: {fields}.',
  'missing.password_title': 'Neues Passwort setzen',
  'missing.password_lead':
    'Sie brauchen ein anderes Passwort, bevor Sie fortfahren. Es beendet jede andere Sitzung, und Anwendungen müssen Sie neu fragen.',
  'missing.present_password': 'Jetziges Passwort',
  'missing.new_password': 'Neues Passwort',
  'missing.wrong_password': 'Das jetzige Passwort stimmt nicht.',
  'missing.same_password': 'Das neue Passwort ist das jetzige. Wählen Sie ein anderes.',
  'missing.too_many':
    'Zu viele Versuche. Warten Sie einige Minuten und versuchen Sie es dann noch einmal.',
  'missing.save': 'Speichern und fortfahren',
  'missing.sign_out': 'Abmelden',

  'missing.address_title': 'Ihre E-Mail-Adresse bestätigen',
  'missing.address_lead':
    'An Ihre Adresse wird ein Link gesendet. Öffnen und bestätigen Sie ihn in diesem Browser, dann geht es hier weiter.',
  'missing.address_proven': 'Ich habe sie bestätigt',
  'missing.address_again': 'Noch einmal senden',
  'missing.factor_title': 'Zweiten Faktor hinzufügen',
  'missing.factor_lead':
    'Hier genügt ein Passwort allein nicht. Fügen Sie eine Authentifizierungs-App oder einen Passkey hinzu, um fortzufahren; beim nächsten Mal werden Sie danach gefragt.',
  'missing.factor_app': 'Mit einer Authentifizierungs-App',
  'missing.factor_passkey': 'Mit einem Passkey',
  'missing.factor_mail': 'Mit einem Code per E-Mail',
  'missing.factor_mail_lead':
    'Ein Code wird an Ihre Adresse gesendet und gilt dieses eine Mal. Mit einer App oder einem Passkey brauchen Sie keine E-Mail.',
  'missing.factor_mail_send': 'Code senden',
  'missing.factor_mail_sent': 'Ein Code ist auf dem Weg zu {email}. Er gilt zehn Minuten.',
  'missing.factor_other': 'Anderer Weg',
  'missing.code_refused':
    'Dieser Code ist nicht richtig, wurde schon benutzt oder ist zu alt. Versuchen Sie es noch einmal, oder lassen Sie einen neuen senden.',
  'missing.factor_save': 'Hinzufügen und fortfahren',

  'field.name': 'Name',
  'field.given_name': 'Vorname',
  'field.family_name': 'Nachname',
  'field.middle_name': 'Weiterer Vorname',
  'field.nickname': 'Spitzname',
  'field.gender': 'Geschlecht',
  'field.birthdate': 'Geburtsdatum',
  'field.phone_number': 'Telefonnummer',

  'consents.title': 'Ihre Zustimmungen',
  'consents.none': 'Es gibt nichts zu entscheiden.',
  'consents.required': 'Erforderlich',
  'consents.guardian':
    'Sie sind zu jung, um einen Text allein anzunehmen. Es entscheidet ein Elternteil oder Vormund, der sich an die Betreiber dieses Dienstes wendet.',
  'consents.by_guardian': 'Entschieden von {guardian}.',
  'consents.read': 'Text lesen',
  'consents.not_accepted': 'Nicht zugestimmt',
  'consents.accepted': 'Zugestimmt am {day}',
  'consents.outdated': 'Einer früheren Fassung zugestimmt am {day}',
  'consents.withdrawn': 'Widerrufen am {day}',
  'consents.newer': 'Die neue Fassung wird gebraucht ab {day}',
  'consents.accept': 'Zustimmen',
  'consents.accept_of': 'Zustimmen: {title}',
  'consents.withdraw': 'Widerrufen',
  'consents.withdraw_of': 'Widerrufen: {title}',
  'consents.withdraw_hint':
    'Der Widerruf meldet Sie überall ab und beendet den Zugriff aller Anwendungen und Assistenten. Bei der nächsten Anmeldung werden Sie wieder gefragt.',
  'missing.renewed_title': 'Ihr Zugang wurde erneuert',
  'missing.renewed': '{by} hat am {time} einen neuen Link zu einem Passwort Ihres Kontos erstellt.',
  'missing.renewed_note':
    'Die Eigentümer von {place} haben Ihr Konto angelegt und dürfen das. Wenn Sie nicht darum gebeten haben, sprechen Sie mit ihnen.',
  'missing.renewed_seen': 'Weiter',
}
