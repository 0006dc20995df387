// Spanish: the account of a person, and the applications that have access to it.
import type { enAccount } from '../en/account.ts'
import type { TextsOf } from '../text_types.ts'

export const esAccount: TextsOf<typeof enAccount> = {
  'account.title': 'Su cuenta',
  'account.signed_in_as': 'Sesión iniciada como',
  'account.sign_out': 'Cerrar sesión',
  'account.failed':
    'Desde su visita anterior {count, plural, one {ha fallado un intento} many {han fallado # intentos} other {han fallado # intentos}} de iniciar sesión en su cuenta, el último el {time}. Si no fue usted, cambie la contraseña.',
  'account.change_email': 'Cambiar la dirección',
  'account.change_password': 'Cambiar la contraseña',
  'account.profile': 'Perfil',
  'account.see_profile': 'Cambiar su nombre y otros datos',
  'account.security': 'Seguridad',
  'account.see_security':
    'Llaves de acceso, aplicaciones de autenticación y códigos de recuperación',
  'account.applications': 'Aplicaciones',
  'account.see_applications': 'Ver qué aplicaciones tienen acceso',
  'account.consents': 'Consentimientos',
  'account.see_consents': 'Ver lo que ha aceptado, y retirarlo',
  'account.data': 'Sus datos',
  'account.see_data': 'Obtener una copia de todo lo que se guarda sobre usted',
  'account.close': 'Cerrar su cuenta',
  'account.sessions': 'Dónde ha iniciado sesión',
  'account.this_browser': 'Este navegador',
  'account.unknown_device': 'Dispositivo desconocido',
  'account.since': 'desde el {time}',
  'account.since_from': '{address}, desde el {time}',
  'account.end': 'Cerrar sesión',
  'account.end_of': 'Cerrar sesión: {browser}',
  'account.everywhere': 'Cerrar sesión en todas partes',
  'account.everywhere_hint':
    'Cierra todas las sesiones, también la de este navegador. Las aplicaciones que mantienen el acceso en su ausencia lo conservan: retírelo en Aplicaciones.',

  'applications.title': 'Aplicaciones con acceso',
  'applications.lead': 'En su nombre pueden:',
  'applications.none': 'Ninguna aplicación tiene acceso a su cuenta.',
  'applications.offline': 'También en su ausencia',
  'applications.since': 'Desde el {day}',
  'applications.since_and_used': 'Desde el {day}, último uso el {time}',
  'applications.withdraw': 'Retirar acceso',
  'applications.withdraw_of': 'Retirar acceso: {client}',
  'applications.hint': 'Una aplicación a la que retire el acceso tendrá que volver a pedirlo.',
  'applications.back': 'Volver a su cuenta',

  'profile.title': 'Su perfil',
  'profile.save': 'Guardar',
  'profile.saved': 'Guardado.',
  'profile.outrun': 'Su cuenta se cambió al mismo tiempo. Revísela y guarde de nuevo.',
  'profile.none': 'Aquí no hay nada que pueda cambiar.',
}
