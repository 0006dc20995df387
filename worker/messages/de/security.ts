// German: passkeys and second factors, at the sign-in and in the account.
import type { enSecurity } from '../en/security.ts'
import type { TextsOf } from '../text_types.ts'

export const deSecurity: TextsOf<typeof enSecurity> = {
  'second_factor.title': 'Noch ein Schritt',
  'second_factor.lead':
    'Geben Sie den Code ein, den Ihre Authentifizierungs-App anzeigt. Ein Wiederherstellungscode geht ebenso.',
  'second_factor.lead_passkey':
    'Verwenden Sie Ihren Passkey oder geben Sie einen Wiederherstellungscode ein.',
  'second_factor.lead_both':
    'Verwenden Sie Ihren Passkey oder geben Sie den Code ein, den Ihre Authentifizierungs-App anzeigt. Ein Wiederherstellungscode geht ebenso.',
  'second_factor.account': 'Konto',
  'second_factor.code': 'Code',
  'second_factor.recovery_code': 'Wiederherstellungscode',
  'second_factor.submit': 'Weiter',
  'second_factor.other': 'Anderes Konto verwenden',
  'second_factor.refused':
    'Dieser Code stimmt nicht oder wurde schon benutzt. Warten Sie auf den nächsten und versuchen Sie es erneut.',
  'second_factor.too_many':
    'Zu viele falsche Codes. Warten Sie einige Minuten und versuchen Sie es erneut.',
  'second_factor.trust':
    'In diesem Browser {days, plural, one {# Tag} other {# Tage}} lang nicht mehr fragen',
  'second_factor.ended_title': 'Diese Anmeldung ist beendet',
  'second_factor.ended':
    'Sie hat zu lange gedauert, oder das Konto wurde inzwischen geändert. Melden Sie sich erneut an.',

  'removed_factor.title': 'Faktor wiederherstellen',
  'removed_factor.lead':
    '„{factor}“ wurde vom Betreiber entfernt. Das Wiederherstellen beendet jede Anmeldung seither und nimmt Faktoren weg, die seither hinzugefügt wurden.',
  'removed_factor.done_title': 'Der Faktor ist wieder da',
  'removed_factor.done':
    '„{factor}“ schützt Ihr Konto wieder. Wenn Sie nicht um das Entfernen gebeten haben, ändern Sie auch Ihr Passwort.',

  'security.title': 'Sicherheit',
  'security.lead':
    'Mit einem Passkey oder einer Authentifizierungs-App öffnet ein gestohlenes Passwort allein nichts.',
  'security.passkeys': 'Passkeys',
  'security.no_passkeys':
    'Sie haben noch keinen. Mit einem Passkey melden Sie sich mit Finger, Gesicht oder PIN an.',
  'security.synced': 'synchronisiert',
  'security.rename': 'Umbenennen',
  'security.new_name': 'Neuer Name',
  'security.save_name': 'Speichern',
  'security.add_passkey': 'Passkey hinzufügen',
  'security.passkey_lead':
    'Ihr Gerät erstellt einen Schlüssel, mit dem Sie sich mit Finger, Gesicht oder PIN anmelden, ohne Passwort.',
  'security.passkey_name': 'Passkey',
  'security.passkey_taken':
    'Dieser Passkey kann nicht hinzugefügt werden. Vielleicht ist er schon da: Sehen Sie in Ihrer Liste nach.',
  'security.passkey_refused':
    'Dieser Passkey kann nicht hinzugefügt werden. Versuchen Sie es erneut oder mit einem anderen Gerät.',
  'security.passkey_many': 'Mehr sind nicht möglich. Entfernen Sie erst einen.',
  'security.last_way_in':
    'Dieser Passkey ist Ihr einziger Zugang. Fügen Sie einen anderen hinzu, bevor Sie ihn entfernen.',
  'security.factor_demanded':
    'Von Ihnen wird ein zweiter Faktor verlangt, und dieser ist Ihr einziger. Fügen Sie einen anderen hinzu, bevor Sie ihn entfernen.',
  'security.apps': 'Authentifizierungs-Apps',
  'security.none': 'Sie haben noch keine.',
  'security.since': 'seit {time}',
  'security.last_used': 'zuletzt benutzt {time}',
  'security.remove': 'Entfernen',
  'security.add': 'Authentifizierungs-App hinzufügen',
  'security.codes': 'Wiederherstellungscodes',
  'security.codes_left':
    '{count, plural, one {# Code ist} other {# Codes sind}} übrig. Jeder ersetzt einmal Ihren Passkey oder die App, wenn das Telefon verloren ist.',
  'security.make_codes': 'Neue Codes erstellen',
  'security.back': 'Zurück zu Ihrem Konto',
  'security.add_lead':
    'Scannen Sie dieses Bild mit der App oder geben Sie den Schlüssel in ihr ein. Geben Sie dann den Code ein, den sie anzeigt.',
  'security.image': 'QR-Code mit dem Schlüssel',
  'security.key': 'Schlüssel',
  'security.name': 'Name',
  'security.name_hint': 'Damit Sie sie wiedererkennen, zum Beispiel der Name des Telefons.',
  'security.default_name': 'Authentifizierungs-App',
  'security.code': 'Code',
  'security.save': 'Hinzufügen',
  'security.cancel': 'Abbrechen',
  'security.refused':
    'Dieser Code passt nicht zum Schlüssel. Warten Sie auf den nächsten und versuchen Sie es erneut.',
  'security.name_refused': 'Geben Sie einen sichtbaren Namen mit höchstens 60 Zeichen ein.',
  'security.expired': 'Dieser Schlüssel ist zu alt. Scannen Sie den neuen.',
  'security.codes_title': 'Ihre Wiederherstellungscodes',
  'security.codes_lead':
    'Bewahren Sie sie dort auf, wo Sie sie ohne Ihr Telefon finden. Sie werden nur dieses eine Mal gezeigt und ersetzen alle früheren Codes.',
  'security.codes_kept': 'Ich habe sie aufbewahrt',
}
