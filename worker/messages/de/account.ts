// German: the account of a person, and the applications that have access to it.
import type { enAccount } from '../en/account.ts'
import type { TextsOf } from '../text_types.ts'

export const deAccount: TextsOf<typeof enAccount> = {
  'account.title': 'Ihr Konto',
  'account.signed_in_as': 'Angemeldet als',
  'account.sign_out': 'Abmelden',
  'account.failed':
    'Seit Ihrem vorigen Besuch {count, plural, one {ist eine Anmeldung} other {sind # Anmeldungen}} an Ihrem Konto fehlgeschlagen, zuletzt am {time}. Wenn Sie das nicht waren, ändern Sie Ihr Passwort.',
  'account.change_email': 'Adresse ändern',
  'account.change_password': 'Passwort ändern',
  'account.profile': 'Profil',
  'account.see_profile': 'Ihren Namen und weitere Angaben ändern',
  'account.security': 'Sicherheit',
  'account.see_security': 'Passkeys, Authentifizierungs-Apps und Wiederherstellungscodes',
  'account.applications': 'Anwendungen',
  'account.see_applications': 'Ansehen, welche Anwendungen Zugriff haben',
  'account.consents': 'Zustimmungen',
  'account.see_consents': 'Ansehen, wozu Sie zugestimmt haben, und es widerrufen',
  'account.data': 'Ihre Daten',
  'account.see_data': 'Eine Kopie von allem, was über Sie gespeichert ist',
  'account.close': 'Ihr Konto schließen',
  'account.sessions': 'Wo Sie angemeldet sind',
  'account.this_browser': 'Dieser Browser',
  'account.unknown_device': 'Unbekanntes Gerät',
  'account.since': 'seit {time}',
  'account.since_from': '{address}, seit {time}',
  'account.end': 'Abmelden',
  'account.end_of': 'Abmelden: {browser}',
  'account.everywhere': 'Überall abmelden',
  'account.everywhere_hint':
    'Beendet alle Sitzungen, auch die in diesem Browser. Anwendungen, die auch in Ihrer Abwesenheit Zugriff haben, behalten ihn: Entziehen Sie ihn unter Anwendungen.',

  'applications.title': 'Anwendungen mit Zugriff',
  'applications.lead': 'Sie dürfen in Ihrem Namen:',
  'applications.none': 'Keine Anwendung hat Zugriff auf Ihr Konto.',
  'applications.offline': 'Auch in Ihrer Abwesenheit',
  'applications.since': 'Seit {day}',
  'applications.since_and_used': 'Seit {day}, zuletzt benutzt {time}',
  'applications.withdraw': 'Zugriff entziehen',
  'applications.withdraw_of': 'Zugriff entziehen: {client}',
  'applications.hint': 'Eine Anwendung, der Sie den Zugriff entziehen, muss Sie erneut fragen.',
  'applications.back': 'Zurück zu Ihrem Konto',

  'profile.title': 'Ihr Profil',
  'profile.save': 'Speichern',
  'profile.saved': 'Gespeichert.',
  'profile.outrun':
    'Ihr Konto wurde gleichzeitig geändert. Sehen Sie es an und speichern Sie noch einmal.',
  'profile.none': 'Hier gibt es nichts, was Sie ändern können.',
}
