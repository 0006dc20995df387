// German: second factors, at the sign-in and in the account.
import type { enSecurity } from '../en/security.ts'
import type { TextsOf } from '../text_types.ts'

export const deSecurity: TextsOf<typeof enSecurity> = {
  'second_factor.title': 'Noch ein Schritt',
  'second_factor.lead':
    'Geben Sie den Code ein, den Ihre Authentifizierungs-App anzeigt. Ein Wiederherstellungscode geht ebenso.',
  'second_factor.account': 'Konto',
  'second_factor.code': 'Code',
  'second_factor.submit': 'Weiter',
  'second_factor.other': 'Anderes Konto verwenden',
  'second_factor.refused':
    'Dieser Code stimmt nicht oder wurde schon benutzt. Warten Sie auf den nächsten und versuchen Sie es erneut.',
  'second_factor.too_many':
    'Zu viele falsche Codes. Warten Sie einige Minuten und versuchen Sie es erneut.',
  'second_factor.ended_title': 'Diese Anmeldung ist beendet',
  'second_factor.ended':
    'Sie hat zu lange gedauert, oder das Konto wurde inzwischen geändert. Melden Sie sich erneut an.',

  'security.title': 'Zweiter Faktor',
  'security.lead':
    'Mit einer Authentifizierungs-App auf Ihrem Telefon öffnet ein gestohlenes Passwort allein nichts.',
  'security.apps': 'Authentifizierungs-Apps',
  'security.none': 'Sie haben noch keine.',
  'security.since': 'seit {time}',
  'security.last_used': 'zuletzt benutzt {time}',
  'security.remove': 'Entfernen',
  'security.add': 'Authentifizierungs-App hinzufügen',
  'security.codes': 'Wiederherstellungscodes',
  'security.codes_left':
    '{count, plural, one {# Code ist} other {# Codes sind}} übrig. Jeder ersetzt die App einmal, wenn das Telefon verloren ist.',
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
