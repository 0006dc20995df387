// German: claiming a device with the code on its box.

import type { enClaim } from '../en/claim.ts'
import type { TextsOf } from '../text_types.ts'

export const deClaim: TextsOf<typeof enClaim> = {
  'claim.title': 'Gerät hinzufügen',
  'claim.lead': 'Geben Sie den Code ein, der auf der Verpackung oder auf dem Gerät steht.',
  'claim.code': 'Code',
  'claim.continue': 'Weiter',
  'claim.dead':
    'Dieser Code kann nicht verwendet werden. Vergleichen Sie ihn mit der Verpackung; ein Code gilt einmal und für begrenzte Zeit.',
  'claim.ask': 'Dieses Gerät zu Ihrem Ort hinzufügen?',
  'claim.serial': 'Seriennummer: {serial}',
  'claim.what':
    'Die Personen des Ortes können es dann benutzen. Wer es vorher hatte, verliert den Zugang.',
  'claim.sign_in':
    'Melden Sie sich an, um es zu Ihrem Ort hinzuzufügen, oder erstellen Sie zuerst ein Konto.',
  'claim.place': 'Zu welchem Ort gehört es?',
  'claim.new_place': 'Ein neuer Ort',
  'claim.new_name': 'Name des neuen Ortes',
  'claim.submit': 'Gerät hinzufügen',
  'claim.another': 'Einen anderen Code verwenden',
  'claim.no_place':
    'Sie verwalten keinen Ort, und hier kann keiner angelegt werden. Bitten Sie den Besitzer eines Ortes, das Gerät hinzuzufügen.',
  'claim.place_needed': 'Wählen Sie einen Ort. Ein neuer braucht einen Namen.',
  'claim.place_refused':
    'Zu diesem Ort können Sie keine Geräte hinzufügen. Wählen Sie einen anderen.',
  'claim.too_wide':
    'Mit diesem Gerät passen die Rechte an diesem Ort nicht mehr in ein Token. Wählen Sie einen anderen Ort.',
  'claim.done_title': 'Das Gerät wurde hinzugefügt',
  'claim.done':
    'Es gehört jetzt zu {place}. Der Code auf der Verpackung kann nicht noch einmal verwendet werden.',
}
