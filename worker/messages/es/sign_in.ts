// Spanish: signing in and out, the first operator, a new password, forms and errors.
import type { enSignIn } from '../en/sign_in.ts'
import type { TextsOf } from '../text_types.ts'

export const esSignIn: TextsOf<typeof enSignIn> = {
  'sign_in.title': 'Iniciar sesión',
  'sign_in.lead': 'para continuar a {client}',
  'sign_in.email': 'Correo electrónico',
  'sign_in.email_or_user_name': 'Correo electrónico o nombre de usuario',
  'sign_in.user_name': 'Nombre de usuario',
  'sign_in.password': 'Contraseña',
  'sign_in.submit': 'Iniciar sesión',
  'sign_in.forgotten': '¿Ha olvidado su contraseña?',
  'sign_in.sign_up': 'Crear una cuenta',
  'sign_in.link': 'Iniciar sesión con un enlace por correo',
  'sign_in.refused':
    'El correo electrónico o la contraseña no son correctos. Compruebe ambos e inténtelo de nuevo.',
  'sign_in.too_many': 'Demasiados intentos. Espere unos minutos e inténtelo de nuevo.',

  'passkey.sign_in': 'Iniciar sesión con una llave de acceso',
  'passkey.use': 'Usar una llave de acceso',
  'passkey.create': 'Crear una llave de acceso',
  'passkey.refused':
    'Esta llave de acceso no ha funcionado. Inténtelo de nuevo o inicie sesión de otro modo.',
  'passkey.expired': 'Esta página estuvo abierta demasiado tiempo. Inténtelo de nuevo.',
  'passkey.not_used':
    'No se ha usado ninguna llave de acceso. Inténtelo de nuevo o siga de otro modo.',
  'passkey.not_made': 'No se ha creado ninguna llave de acceso. Inténtelo de nuevo cuando quiera.',
  'passkey.already': 'Este dispositivo ya tiene una llave de acceso para su cuenta.',
  'passkey.not_supported':
    'Este dispositivo no puede crear una llave de acceso así. Pruebe con otro, por ejemplo su teléfono.',
  'passkey.wrong_host': 'Las llaves de acceso no funcionan en esta dirección.',
  'passkey.failed': 'El navegador no ha podido hacerlo. Inténtelo de nuevo.',
  'passkey.none': 'Este navegador no conoce las llaves de acceso.',
  'passkey.no_script':
    'Las llaves de acceso necesitan JavaScript, que está desactivado en este navegador.',

  'sign_up.title': 'Crear una cuenta',
  'sign_up.lead': 'Escriba su dirección de correo. Recibirá un enlace para continuar.',
  'sign_up.submit': 'Enviar el enlace',
  'sign_up.back': 'Volver al inicio de sesión',
  'sign_up.sent_title': 'Mire su correo',
  'sign_up.sent':
    'Un mensaje va de camino a {email}. Su enlace vale un día. Mire también entre los correos no deseados.',
  'sign_up.account_title': 'Su cuenta nueva',
  'sign_up.name': 'Nombre (opcional)',
  'sign_up.create': 'Crear la cuenta',
  'sign_up.name_refused': 'Escriba un nombre visible de 200 caracteres como máximo.',
  'sign_up.accept': 'Acepto: {title}',
  'sign_up.texts_refused': 'Acepte cada texto para continuar. Sin ello no hay cuenta.',
  'sign_up.dead': 'Ya se usó o tiene más de un día. Pida otro.',
  'sign_up.off': 'Las cuentas las crean quienes gestionan este servicio.',
  'sign_up.by_invitation':
    'Aquí las cuentas nuevas son por invitación. Siga el enlace de su invitación, o pida una.',

  'sign_in_link.title': 'Iniciar sesión con un enlace',
  'sign_in_link.lead':
    'Escriba la dirección de correo de su cuenta. Recibirá un enlace que inicia sesión en este navegador.',
  'sign_in_link.sent':
    'Si existe una cuenta con la dirección {email}, un enlace va de camino. Ábralo en este navegador antes de diez minutos.',
  'sign_in_link.back': 'Volver al inicio de sesión',
  'sign_in_link.dead': 'Ya se usó o tiene más de diez minutos. Pida otro.',
  'sign_in_link.elsewhere': 'Abra el enlace en el navegador en el que lo pidió, o pida otro aquí.',
  'sign_in_link.off': 'Este servicio no inicia sesión con enlaces.',

  'logout.title': 'Cerrar sesión',
  'logout.client_asks': '{client} pide cerrar su sesión.',
  'logout.lead': 'Se cerrará su sesión en este navegador.',
  'logout.submit': 'Cerrar sesión',
  'logout.cancel': 'Mantener la sesión',

  'signed_out.title': 'Sesión cerrada',
  'signed_out.text': 'Cierre también el navegador si otras personas usan este equipo.',
  'signed_out.sign_in': 'Volver a iniciar sesión',
  'signed_out.back': 'Continuar a {host}',

  'setup.title': 'Crear el primer operador',
  'setup.lead':
    'Esta cuenta puede gestionarlo todo: personas, dispositivos, aplicaciones y accesos.',
  'setup.email': 'Correo electrónico',
  'setup.password': 'Contraseña',
  'setup.submit': 'Crear operador',
  'setup.dead_title': 'Este enlace ya no funciona',
  'setup.dead':
    'Ya se usó, tiene más de una hora o ya existe un operador. Si todavía no hay ninguno, un reinicio muestra un enlace nuevo, y también la orden setup-link.',

  'recovery.title': 'Establecer una contraseña nueva',
  'recovery.lead':
    'Se cerrarán todas las sesiones de su cuenta y las aplicaciones tendrán que volver a pedir acceso.',
  'recovery.account': 'Cuenta',
  'recovery.password': 'Contraseña nueva',
  'recovery.submit': 'Guardar contraseña',
  'recovery.dead_title': 'Este enlace no funciona',
  'recovery.dead_unknown': 'Está incompleto o lo sustituyó un enlace más reciente. Solicite otro.',
  'recovery.dead_expired': 'Tiene más de una hora. Solicite otro.',
  'recovery.dead_used':
    'Con él ya se estableció una contraseña nueva. Si no fue usted, avise de inmediato a los responsables de este servicio.',
  'recovery.done_title': 'Su contraseña ha cambiado',
  'recovery.done':
    'Se han cerrado todas las sesiones y las aplicaciones tendrán que volver a pedir acceso.',
  'recovery.sign_in': 'Iniciar sesión',

  'recovery_request.title': '¿Ha olvidado su contraseña?',
  'recovery_request.lead':
    'Escriba el correo electrónico de su cuenta. Recibirá un enlace para establecer una contraseña nueva.',
  'recovery_request.submit': 'Enviar el enlace',
  'recovery_request.back': 'Volver al inicio de sesión',
  'recovery_request.too_many': 'Demasiadas solicitudes. Espere unos minutos e inténtelo de nuevo.',
  'recovery_request.sent_title': 'Mire su correo',
  'recovery_request.sent':
    'Si existe una cuenta con la dirección {email}, hay un enlace en camino. Es válido durante una hora. Mire también en el correo no deseado.',

  'form_post.title': 'Un momento',
  'form_post.lead': 'Está volviendo a {host}.',
  'form_post.submit': 'Continuar',

  'form.out_of_date':
    'El formulario ha caducado o se envió desde otro sitio. Vuelva atrás, recargue la página e inténtelo de nuevo.',
  'form.email_invalid': 'Escriba una dirección de correo como ann@example.com.',
  'form.email_taken': 'Ya existe una cuenta con esta dirección de correo.',
  'form.action': 'El formulario se envió sin un botón conocido.',

  'password.hint':
    'Al menos {min, plural, one {# carácter} other {# caracteres}}. Cuatro o cinco palabras al azar son una buena opción.',
  'password.control': 'La contraseña no puede contener caracteres de control.',
  'password.too_long': 'La contraseña no puede superar los {max, number} bytes.',
  'password.too_short':
    'La contraseña debe tener al menos {min, plural, one {# carácter} other {# caracteres}}.',
  'password.guessable':
    'La contraseña es de las que se prueban primero. Elija cuatro o cinco palabras al azar.',
  'password.breached':
    'La contraseña se conoce por una filtración, así que se adivinaría. Elija cuatro o cinco palabras al azar.',

  'error.title': 'No ha funcionado',
  'error.not_found_title': 'Página no encontrada',
  'error.not_found': 'No hay ninguna página en esta dirección.',
  'error.ended':
    'Este proceso ha terminado o ya se completó. Vuelva a la aplicación y empiece de nuevo.',
  'error.unknown_client': 'La aplicación de la que viene no se conoce aquí.',
  'error.not_allowed': 'Su cuenta no tiene los permisos que pide la aplicación.',
  'error.refused':
    'No se puede atender esta solicitud. Si una aplicación le ha enviado aquí, avise a sus responsables.',
  'error.too_many': 'Han llegado demasiados intentos desde su red. Inténtelo más tarde.',
  'error.busy': 'El servicio está ocupado. Inténtelo de nuevo en un momento.',
  'error.internal': 'Algo ha fallado aquí. Inténtelo más tarde.',
  'error.request': 'Solicitud {id}',
  'error.footer': 'Puede cerrar esta página, o volver atrás e intentarlo de nuevo.',

  'language.title': 'Idioma',
  'language.change': 'Cambiar de idioma: {language}',
  'language.account': 'Los mensajes que reciba también llegarán en este idioma.',
  'language.back': 'Volver sin cambiar',
}
