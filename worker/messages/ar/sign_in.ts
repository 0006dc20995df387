// Arabic: signing in and out, the first operator, a new password, forms and errors.
import type { enSignIn } from '../en/sign_in.ts'
import type { TextsOf } from '../text_types.ts'

export const arSignIn: TextsOf<typeof enSignIn> = {
  'sign_in.title': 'تسجيل الدخول',
  'sign_in.lead': 'للمتابعة إلى {client}',
  'sign_in.email': 'البريد الإلكتروني',
  'sign_in.password': 'كلمة المرور',
  'sign_in.submit': 'تسجيل الدخول',
  'sign_in.forgotten': 'هل نسيت كلمة المرور؟',
  'sign_in.sign_up': 'إنشاء حساب',
  'sign_in.link': 'تسجيل الدخول برابط عبر البريد',
  'sign_in.refused':
    'البريد الإلكتروني أو كلمة المرور غير صحيحة. يُرجى التحقق منهما والمحاولة مرة أخرى.',
  'sign_in.too_many': 'محاولات كثيرة جدًا. يُرجى الانتظار بضع دقائق ثم المحاولة مرة أخرى.',

  'sign_up.title': 'إنشاء حساب',
  'sign_up.lead': 'اكتب عنوان بريدك الإلكتروني. سيصلك رابط تتابع به.',
  'sign_up.submit': 'إرسال الرابط',
  'sign_up.back': 'الرجوع إلى تسجيل الدخول',
  'sign_up.sent_title': 'تفقّد بريدك',
  'sign_up.sent':
    'أُرسلت رسالة إلى {email}. رابطها صالح ليوم واحد. تفقّد أيضًا الرسائل غير المرغوب فيها.',
  'sign_up.account_title': 'حسابك الجديد',
  'sign_up.name': 'الاسم (اختياري)',
  'sign_up.create': 'إنشاء الحساب',
  'sign_up.name_refused': 'اكتب اسمًا ظاهرًا لا يزيد على 200 حرف.',
  'sign_up.dead': 'استُخدم من قبل، أو مضى عليه أكثر من يوم. اطلب رابطًا آخر.',
  'sign_up.off': 'ينشئ الحسابات القائمون على هذه الخدمة.',

  'sign_in_link.title': 'تسجيل الدخول برابط',
  'sign_in_link.lead': 'اكتب عنوان البريد الإلكتروني لحسابك. سيصلك رابط يسجّل دخولك في هذا المتصفح.',
  'sign_in_link.sent':
    'إذا كان هناك حساب بالعنوان {email}، فقد أُرسل إليه رابط. افتحه في هذا المتصفح خلال عشر دقائق.',
  'sign_in_link.back': 'العودة إلى تسجيل الدخول',
  'sign_in_link.dead': 'استُخدم من قبل، أو مضى عليه أكثر من عشر دقائق. اطلب رابطًا آخر.',
  'sign_in_link.elsewhere': 'افتح الرابط في المتصفح الذي طلبته منه، أو اطلب هنا رابطًا آخر.',
  'sign_in_link.off': 'هذه الخدمة لا تسجّل الدخول برابط.',

  'logout.title': 'تسجيل الخروج',
  'logout.client_asks': 'يطلب {client} تسجيل خروجك.',
  'logout.lead': 'سيتم تسجيل خروجك من هذا المتصفح.',
  'logout.submit': 'تسجيل الخروج',
  'logout.cancel': 'البقاء مسجَّل الدخول',

  'signed_out.title': 'تم تسجيل خروجك',
  'signed_out.text': 'يُرجى إغلاق المتصفح أيضًا إذا كان آخرون يستخدمون هذا الحاسوب.',
  'signed_out.sign_in': 'تسجيل الدخول مجددًا',
  'signed_out.back': 'المتابعة إلى {host}',

  'setup.title': 'إعداد المشغّل الأول',
  'setup.lead': 'يمكن لهذا الحساب إدارة كل شيء: الأشخاص والأجهزة والتطبيقات وصلاحيات الوصول.',
  'setup.email': 'البريد الإلكتروني',
  'setup.password': 'كلمة المرور',
  'setup.submit': 'إنشاء المشغّل',
  'setup.dead_title': 'لم يعد هذا الرابط صالحًا',
  'setup.dead':
    'لقد استُخدم، أو مضى عليه أكثر من ساعة، أو يوجد مشغّل بالفعل. إذا لم يوجد مشغّل بعد، فإن إعادة التشغيل تعرض رابطًا جديدًا، وكذلك الأمر setup-link.',

  'recovery.title': 'تعيين كلمة مرور جديدة',
  'recovery.lead': 'سيؤدي ذلك إلى إنهاء كل جلسات حسابك، وعلى التطبيقات أن تطلب الإذن منك من جديد.',
  'recovery.account': 'الحساب',
  'recovery.password': 'كلمة المرور الجديدة',
  'recovery.submit': 'تعيين كلمة المرور',
  'recovery.dead_title': 'هذا الرابط لا يعمل',
  'recovery.dead_unknown': 'الرابط غير مكتمل، أو حلّ محله رابط أحدث. يُرجى طلب رابط آخر.',
  'recovery.dead_expired': 'مضى على الرابط أكثر من ساعة. يُرجى طلب رابط آخر.',
  'recovery.dead_used':
    'سبق تعيين كلمة مرور جديدة بهذا الرابط. إذا لم يكن ذلك منك، فيُرجى إبلاغ القائمين على هذه الخدمة فورًا.',
  'recovery.done_title': 'تم تغيير كلمة مرورك',
  'recovery.done': 'انتهت كل الجلسات، وعلى التطبيقات أن تطلب الإذن منك من جديد.',
  'recovery.sign_in': 'تسجيل الدخول',

  'recovery_request.title': 'هل نسيت كلمة المرور؟',
  'recovery_request.lead':
    'يُرجى إدخال البريد الإلكتروني لحسابك. ستصلك رسالة فيها رابط لتعيين كلمة مرور جديدة.',
  'recovery_request.email': 'البريد الإلكتروني',
  'recovery_request.submit': 'إرسال الرابط',
  'recovery_request.back': 'الرجوع إلى تسجيل الدخول',
  'recovery_request.too_many': 'طلبات كثيرة جدًا. يُرجى الانتظار بضع دقائق ثم المحاولة مرة أخرى.',
  'recovery_request.sent_title': 'تفقَّد بريدك',
  'recovery_request.sent':
    'إذا كان هناك حساب بالعنوان {email}، فقد أُرسل إليه رابط. يسري الرابط لمدة ساعة. يُرجى تفقُّد البريد غير المرغوب فيه أيضًا.',

  'form_post.title': 'لحظة من فضلك',
  'form_post.lead': 'جارٍ الرجوع إلى {host}.',
  'form_post.submit': 'متابعة',

  'form.out_of_date':
    'النموذج قديم أو أُرسل من موقع آخر. يُرجى الرجوع وإعادة تحميل الصفحة ثم المحاولة مجددًا.',
  'form.email_invalid': 'يُرجى إدخال عنوان بريد إلكتروني مثل ann@example.com.',
  'form.email_taken': 'يوجد حساب بهذا البريد الإلكتروني بالفعل.',
  'form.action': 'أُرسل النموذج من دون زر معروف.',

  'password.hint':
    'لا تقل عن {min, plural, zero {# حرف} one {حرف واحد} two {حرفين} few {# أحرف} many {# حرفًا} other {# حرف}}. يُفضَّل اختيار أربع أو خمس كلمات عشوائية.',
  'password.control': 'يجب ألا تحتوي كلمة المرور على أحرف تحكّم.',
  'password.too_long':
    'يجب ألا تتجاوز كلمة المرور {max, plural, zero {# بايت} one {بايتًا واحدًا} two {بايتين} few {# بايتات} many {# بايتًا} other {# بايت}}.',
  'password.too_short':
    'يجب ألا تقل كلمة المرور عن {min, plural, zero {# حرف} one {حرف واحد} two {حرفين} few {# أحرف} many {# حرفًا} other {# حرف}}.',
  'password.guessable':
    'كلمة المرور هذه من أول ما يُجرَّب عند التخمين. يُرجى اختيار أربع أو خمس كلمات عشوائية.',

  'error.title': 'لم ينجح ذلك',
  'error.not_found_title': 'الصفحة غير موجودة',
  'error.not_found': 'لا توجد صفحة على هذا العنوان.',
  'error.ended': 'انتهت هذه العملية أو سبق إكمالها. يُرجى الرجوع إلى التطبيق والبدء من جديد.',
  'error.unknown_client': 'التطبيق الذي جئت منه غير معروف هنا.',
  'error.not_allowed': 'لا يملك حسابك ما يطلبه التطبيق من صلاحيات.',
  'error.refused':
    'لا يمكن تلبية هذا الطلب. إذا وصلت إلى هنا من تطبيق ما، فيُرجى إبلاغ القائمين عليه.',
  'error.too_many': 'وردت محاولات كثيرة جدًا من شبكتك. يُرجى المحاولة لاحقًا.',
  'error.busy': 'الخدمة مشغولة. يُرجى المحاولة بعد لحظات.',
  'error.internal': 'حدث خطأ لدينا. يُرجى المحاولة لاحقًا.',
  'error.request': 'الطلب {id}',
  'error.footer': 'يمكنك إغلاق هذه الصفحة، أو الرجوع والمحاولة مجددًا.',

  'language.title': 'اللغة',
  'language.change': 'تغيير اللغة: {language}',
  'language.account': 'وستصلك الرسائل بهذه اللغة أيضًا.',
  'language.back': 'الرجوع من دون تغيير',
}
