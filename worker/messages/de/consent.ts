// German: an application, a voice assistant or a device asks for access, and which rights it asks
// for.
import type { enConsent } from '../en/consent.ts'
import type { TextsOf } from '../text_types.ts'

export const deConsent: TextsOf<typeof enConsent> = {
  'consent.title': 'Zugriff erlauben für {client}',
  'consent.lead': '{client} bittet um Zugriff auf Ihr Konto',
  'consent.switch_account': 'Anderes Konto verwenden',
  'consent.may': 'Die Anwendung darf dann',
  'consent.nothing': 'wissen, dass Sie angemeldet sind, und sonst nichts',
  'consent.at': 'Sie benutzt dies bei',
  'consent.allow': 'Erlauben',
  'consent.deny': 'Ablehnen',
  'consent.sent_to':
    'In beiden Fällen kehren Sie zurück zu {host}. Erlauben Sie den Zugriff nur, wenn Sie diese Adresse kennen.',
  'consent.client': 'Anwendung: {client_id}',

  'client.policy': 'Datenschutz bei {client}',
  'client.terms': 'Nutzungsbedingungen von {client}',

  'linking.title': 'Ihr Konto mit {vendor} verknüpfen',
  'linking.lead': 'Ihr Konto bei {service} wird mit {vendor} verknüpft.',
  'linking.authorize':
    'Mit der Verknüpfung erlauben Sie {vendor}, Ihre Geräte bei {service} zu steuern.',
  'linking.may': '{vendor} darf dann',
  'linking.lasting': 'diesen Zugriff behalten, bis Sie die Verknüpfung aufheben',
  'linking.allow': 'Zustimmen und verknüpfen',
  'linking.deny': 'Abbrechen',
  'linking.begun':
    'Fahren Sie nur fort, wenn Sie dies in der App {app} begonnen haben. Dort können Sie die Verknüpfung jederzeit aufheben.',
  'linking.sent_to': 'In beiden Fällen kehren Sie zurück zu {host}.',
  'linking.privacy': 'Datenschutz bei {owner}',

  'device.title': 'Gerät verbinden',
  'device.lead': 'Geben Sie den Code ein, den das Gerät anzeigt.',
  'device.code': 'Code',
  'device.continue': 'Weiter',
  'device.refused':
    'Dieser Code stimmt nicht oder gilt nicht mehr. Vergleichen Sie ihn mit dem Gerät und versuchen Sie es erneut.',
  'device.too_many': 'Zu viele Versuche. Warten Sie einige Minuten und versuchen Sie es erneut.',
  'device.ask_title': '{client} verbinden',
  'device.ask': '{client} mit Ihrem Konto verbinden?',
  'device.warning':
    'Erlauben Sie dies nur, wenn Sie das Gerät vor sich haben und es denselben Code anzeigt. Hat Ihnen jemand den Code oder einen Link geschickt, so lehnen Sie ab: Diese Person käme sonst in Ihr Konto.',
  'device.may': 'Das Gerät darf dann',
  'device.allowed_title': 'Das Gerät ist verbunden',
  'device.allowed':
    'Es geht dort in wenigen Sekunden von selbst weiter. Sie können diese Seite schließen.',
  'device.denied_title': 'Es wurde nichts verbunden',
  'device.denied':
    'Das Gerät erhält keinen Zugriff auf Ihr Konto. Sie können diese Seite schließen.',

  'scope.openid': 'wissen, wer Sie sind',
  'scope.profile': 'Ihren Namen, Ihre Sprache und die weiteren Angaben in Ihrem Profil sehen',
  'scope.email': 'Ihre E-Mail-Adresse sehen',
  'scope.address': 'Ihre Postanschrift sehen',
  'scope.phone': 'Ihre Telefonnummer sehen',
  'scope.roles': 'sehen, welche Rollen Sie hier haben',
  'scope.groups': 'sehen, zu welchen Gruppen Sie gehören',
  'scope.offline_access': 'diesen Zugriff auch in Ihrer Abwesenheit behalten',
  'scope.mqtt': 'die Geräte sehen und steuern, die Sie benutzen dürfen',
  'scope.manage': 'in Ihrem Namen alles hier verwalten',
  'scope.users_read': 'in Ihrem Namen Personen sehen',
  'scope.users_write': 'in Ihrem Namen Personen ändern',
  'scope.devices_read': 'in Ihrem Namen Geräte sehen',
  'scope.devices_write': 'in Ihrem Namen Geräte ändern',
  'scope.access_read': 'in Ihrem Namen Gruppen, Rollen und Zugriffsrechte sehen',
  'scope.access_write': 'in Ihrem Namen Gruppen, Rollen und Zugriffsrechte ändern',
  'scope.clients_read': 'in Ihrem Namen Anwendungen sehen',
  'scope.clients_write': 'in Ihrem Namen Anwendungen ändern',
  'scope.keys_read': 'in Ihrem Namen Signaturschlüssel sehen',
  'scope.keys_write': 'in Ihrem Namen Signaturschlüssel ändern',
  'scope.events_read': 'in Ihrem Namen das Ereignisprotokoll sehen',
  'scope.events_write': 'in Ihrem Namen das Ereignisprotokoll ändern',
  'scope.settings_read': 'in Ihrem Namen Einstellungen sehen',
  'scope.settings_write': 'in Ihrem Namen Einstellungen ändern',
  'scope.other': 'benutzen, was die Anwendung so nennt:',

  'claim.name': 'Ihren Namen sehen',
  'claim.given_name': 'Ihren Vornamen sehen',
  'claim.family_name': 'Ihren Nachnamen sehen',
  'claim.middle_name': 'Ihren zweiten Vornamen sehen',
  'claim.nickname': 'Ihren Spitznamen sehen',
  'claim.preferred_username': 'Ihren Benutzernamen sehen',
  'claim.profile': 'Ihre Profilseite sehen',
  'claim.picture': 'Ihr Bild sehen',
  'claim.website': 'Ihre Website sehen',
  'claim.gender': 'Ihr Geschlecht sehen',
  'claim.birthdate': 'Ihr Geburtsdatum sehen',
  'claim.zoneinfo': 'Ihre Zeitzone sehen',
  'claim.locale': 'Ihre Sprache sehen',
  'claim.email': 'Ihre E-Mail-Adresse sehen',
  'claim.phone_number': 'Ihre Telefonnummer sehen',
  'claim.address': 'Ihre Postanschrift sehen',
  'claim.updated_at': 'sehen, wann Ihr Profil zuletzt geändert wurde',
  'claim.email_verified': 'sehen, ob Ihre E-Mail-Adresse bestätigt ist',
  'claim.phone_number_verified': 'sehen, ob Ihre Telefonnummer bestätigt ist',
  'claim.other': 'diese Angabe über Sie sehen: {claim}',

  'action.device_read': 'sehen',
  'action.device_command': 'steuern',
  'action.subscribe': 'Nachrichten empfangen von',
  'action.publish': 'Nachrichten senden für',

  'right.details': '{actions}: {objects}',
  'right.details_allowed': 'Geräte und Gruppen benutzen, die sie bei der Anfrage genannt hat',
}
