// Spanish: passkeys and second factors, at the sign-in and in the account.
import type { enSecurity } from '../en/security.ts'
import type { TextsOf } from '../text_types.ts'

export const esSecurity: TextsOf<typeof enSecurity> = {
  'second_factor.title': 'Un paso más',
  'second_factor.lead':
    'Escriba el código que muestra su aplicación de autenticación. También sirve un código de recuperación.',
  'second_factor.lead_passkey': 'Use su llave de acceso o escriba un código de recuperación.',
  'second_factor.lead_both':
    'Use su llave de acceso o escriba el código que muestra su aplicación de autenticación. También sirve un código de recuperación.',
  'second_factor.account': 'Cuenta',
  'second_factor.code': 'Código',
  'second_factor.recovery_code': 'Código de recuperación',
  'second_factor.submit': 'Continuar',
  'second_factor.other': 'Usar otra cuenta',
  'second_factor.refused':
    'Este código no es correcto o ya se usó. Espere al siguiente e inténtelo de nuevo.',
  'second_factor.too_many':
    'Demasiados códigos incorrectos. Espere unos minutos e inténtelo de nuevo.',
  'second_factor.trust':
    'No volver a preguntar en este navegador durante {days, plural, one {# día} other {# días}}',
  'second_factor.ended_title': 'Este inicio de sesión ha terminado',
  'second_factor.ended':
    'Duró demasiado o la cuenta cambió mientras tanto. Inicie sesión de nuevo.',

  'removed_factor.title': 'Recuperar el factor',
  'removed_factor.lead':
    'Un operador quitó «{factor}». Al recuperarlo terminan todos los inicios de sesión desde entonces y se quitan los factores añadidos después.',
  'removed_factor.done_title': 'El factor está de vuelta',
  'removed_factor.done':
    '«{factor}» vuelve a proteger su cuenta. Si no pidió que se quitara, cambie también su contraseña.',

  'security.title': 'Seguridad',
  'security.lead':
    'Con una llave de acceso o una aplicación de autenticación, una contraseña robada no abre nada por sí sola.',
  'security.passkeys': 'Llaves de acceso',
  'security.no_passkeys':
    'Todavía no tiene ninguna. Con una inicia sesión con el dedo, la cara o un PIN.',
  'security.synced': 'sincronizada',
  'security.rename': 'Cambiar nombre',
  'security.new_name': 'Nombre nuevo',
  'security.save_name': 'Guardar',
  'security.add_passkey': 'Añadir una llave de acceso',
  'security.passkey_lead':
    'Su dispositivo crea una llave con la que inicia sesión con el dedo, la cara o un PIN, sin contraseña.',
  'security.passkey_name': 'Llave de acceso',
  'security.passkey_taken':
    'Esta llave de acceso no se puede añadir. Puede que ya esté: mire su lista.',
  'security.passkey_refused':
    'Esta llave de acceso no se puede añadir. Inténtelo de nuevo o con otro dispositivo.',
  'security.passkey_many': 'No puede haber más. Quite una primero.',
  'security.last_way_in': 'Esta llave de acceso es su única entrada. Añada otra antes de quitarla.',
  'security.factor_demanded':
    'Se le exige un segundo factor y este es el único. Añada otro antes de quitarlo.',
  'security.apps': 'Aplicaciones de autenticación',
  'security.none': 'Todavía no tiene ninguna.',
  'security.since': 'desde el {time}',
  'security.last_used': 'último uso el {time}',
  'security.remove': 'Quitar',
  'security.add': 'Añadir una aplicación de autenticación',
  'security.codes': 'Códigos de recuperación',
  'security.codes_left':
    '{count, plural, one {Queda # código} other {Quedan # códigos}}. Cada uno sustituye una vez a su llave de acceso o a la aplicación, si pierde el teléfono.',
  'security.make_codes': 'Crear códigos nuevos',
  'security.back': 'Volver a su cuenta',
  'security.add_lead':
    'Escanee esta imagen con la aplicación o escriba en ella la clave. Después escriba el código que muestre.',
  'security.image': 'Código QR con la clave',
  'security.key': 'Clave',
  'security.name': 'Nombre',
  'security.name_hint': 'Para reconocerla, por ejemplo el nombre del teléfono.',
  'security.default_name': 'Aplicación de autenticación',
  'security.code': 'Código',
  'security.save': 'Añadir',
  'security.cancel': 'Cancelar',
  'security.refused':
    'Este código no corresponde a la clave. Espere al siguiente e inténtelo de nuevo.',
  'security.name_refused': 'Ponga un nombre visible de 60 caracteres como máximo.',
  'security.expired': 'Esta clave es demasiado antigua. Escanee la nueva.',
  'security.codes_title': 'Sus códigos de recuperación',
  'security.codes_lead':
    'Guárdelos donde los encuentre sin su teléfono. Se muestran solo esta vez y sustituyen a todos los códigos anteriores.',
  'security.codes_kept': 'Ya los he guardado',
}
