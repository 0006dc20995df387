// Made from layout.html by: npm run docs. Words in {{}} are slots: pages/mail/mail_text.ts fills
// them with escaped values.
export const LAYOUT = `<!doctype html>
<html lang="{{locale}}" dir="{{direction}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{subject}}</title>
<style>
@media (prefers-color-scheme: dark) {
  body, .ground {
    background-color: #101317 !important;
    color: #eceff2 !important;
  }
  .card {
    background-color: #181c21 !important;
    border-color: #2b313a !important;
  }
  .inside, h1, .paragraph, .code {
    color: #eceff2 !important;
  }
  .service, .quiet, .foot {
    color: #a3adb9 !important;
  }
  .foot {
    border-color: #2b313a !important;
  }
  .button {
    background-color: #8ab4ff !important;
    color: #0b1a33 !important;
  }
  .address {
    color: #8ab4ff !important;
  }
}
</style>
</head>
<body style="margin: 0; padding: 0; background-color: #f4f5f7; color: #16191d;">
<table role="presentation" class="ground" cellpadding="0" cellspacing="0" border="0" style="width: 100%; background-color: #f4f5f7;"><tr><td class="around" style="padding: 24px 12px;">
<table role="presentation" class="card" cellpadding="0" cellspacing="0" border="0" style="width: 100%; max-width: 520px; margin: 0 auto; background-color: #ffffff; border: 1px solid #e3e6ea; border-radius: 12px;"><tr><td class="inside" style="padding: 28px 28px 20px; font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; font-size: 16px; line-height: 1.5; color: #16191d; text-align: start;">
<p class="service" style="margin: 0 0 20px; font-size: 14px; color: #5a636e;">{{service}}</p>
<h1 style="margin: 0 0 12px; font-size: 22px; line-height: 1.3; font-weight: 600; color: #16191d;">{{heading}}</h1>
{{parts}}
</td></tr><tr><td class="foot" style="margin: 0; padding: 14px 28px 20px; border-top: 1px solid #e3e6ea; font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; font-size: 13px; line-height: 1.5; color: #5a636e; text-align: start;">{{foot}}</td></tr></table>
</td></tr></table>
</body>
</html>
`

export const LAYOUT_PARTS = {
  paragraph: `<p class="paragraph" style="margin: 0 0 16px; color: #16191d; overflow-wrap: anywhere;">{{text}}</p>`,
  button: `<p class="action" style="margin: 24px 0;"><a class="button" href="{{link}}" style="display: inline-block; padding: 12px 22px; border-radius: 8px; background-color: #1f5fd0; color: #ffffff; font-weight: 600; text-decoration: none;">{{label}}</a></p>`,
  code: `<p class="code" dir="ltr" style="margin: 24px 0; font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 30px; letter-spacing: 4px; font-weight: 600; color: #16191d; text-align: start;">{{code}}</p>`,
  quiet: `<p class="quiet" style="margin: 0 0 12px; font-size: 14px; color: #5a636e; overflow-wrap: anywhere;">{{text}}</p>`,
  address: `<p class="quiet" style="margin: 0 0 12px; font-size: 14px; color: #5a636e; overflow-wrap: anywhere;"><a class="address" dir="ltr" href="{{link}}" style="color: #1f5fd0; word-break: break-all;">{{link}}</a></p>`,
}
