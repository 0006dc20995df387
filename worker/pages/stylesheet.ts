// The text of /style.css: everything about how pages look. Colours are pairs for light and dark
// with at least 4.5:1 for text and 3:1 for borders of fields (WCAG 2.2 AA, §1.4.3 and §1.4.11).
export const stylesheet = `
:root {
  color-scheme: light dark;
  --ground: #f4f5f7;
  --card: #ffffff;
  --line: #e3e6ea;
  --field: #868e99;
  --text: #16191d;
  --quiet: #5a636e;
  --accent: #1f5fd0;
  --accent-over: #184fb0;
  --on-accent: #ffffff;
  --soft: #eef3fc;
  --over: #f1f3f5;
  --danger: #a3211b;
  --danger-soft: #fdf0ef;
  --danger-line: #efc4c1;
  --shadow: 0 1px 2px rgb(20 25 35 / 0.05), 0 12px 32px -12px rgb(20 25 35 / 0.14);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101317;
    --card: #181c21;
    --line: #2b313a;
    --field: #747e8b;
    --text: #eceff2;
    --quiet: #a3adb9;
    --accent: #8ab4ff;
    --accent-over: #a9c8ff;
    --on-accent: #0b1a33;
    --soft: #1e2836;
    --over: #222830;
    --danger: #ffaaa3;
    --danger-soft: #2d1b1b;
    --danger-line: #5c2f2d;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  min-height: 100vh;
  min-height: 100dvh;
  display: grid;
  align-content: center;
  justify-items: center;
  gap: 1rem;
  padding: 2rem 1rem;
  background: var(--ground);
  color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
.card {
  width: 100%;
  max-width: 27rem;
  min-width: 0;
  padding: 2.25rem 2.25rem 2rem;
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 16px;
  box-shadow: var(--shadow);
  overflow-wrap: anywhere;
}
.mark { display: block; width: 2.25rem; height: 2.25rem; margin-bottom: 1.25rem; }
.logo { display: block; max-width: 10rem; max-height: 4rem; margin: 0 0 1.25rem; }
.mark-ground { fill: var(--accent); }
.mark-line {
  fill: none;
  stroke: var(--on-accent);
  stroke-width: 2.6;
  stroke-linecap: round;
  stroke-linejoin: round;
}
h1 { margin: 0 0 1.25rem; font-size: 1.4375rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.015em; text-wrap: balance; }
h2 { margin: 1.5rem 0 0.5rem; font-size: 0.875rem; line-height: 1.4; font-weight: 600; color: var(--quiet); }
p { margin: 0 0 1rem; }
.lead { color: var(--quiet); }
h1 + .lead { margin-top: -0.75rem; margin-bottom: 1.25rem; }
.quiet, .foot, .hint { color: var(--quiet); font-size: 0.875rem; }
.hint { margin: 0.4rem 0 0; }
.foot { margin: 1.5rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line); }
.under { width: 100%; max-width: 27rem; font-size: 0.875rem; text-align: center; }
.under a { display: inline-flex; align-items: center; gap: 0.4rem; padding: 0.5rem; color: var(--quiet); text-decoration: none; }
.under a:hover { text-decoration: underline; }
.globe { width: 1.1rem; height: 1.1rem; fill: none; stroke: currentColor; stroke-width: 1.6; }
a { color: var(--accent); text-underline-offset: 0.15em; }
/* Ids, codes and addresses are read from left to right, and stand where the page begins. */
code, .user-code, input.code, input[inputmode="email"] { direction: ltr; unicode-bidi: isolate; }
[dir="ltr"] :is(code, input[inputmode="email"], .person-text > *, .entry-name, .quiet[dir]) { text-align: left; }
[dir="rtl"] :is(code, input[inputmode="email"], .person-text > *, .entry-name, .quiet[dir]) { text-align: right; }
/* Spaced letters would come apart where writing joins them. */
[dir="rtl"] h1 { letter-spacing: normal; }
code {
  font: 0.8125rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
  color: var(--quiet);
}
.alert {
  padding: 0.75rem 0.9rem;
  border: 1px solid var(--danger-line);
  border-radius: 10px;
  background: var(--danger-soft);
  color: var(--danger);
  font-size: 0.9375rem;
}
form { margin: 0; }
label { display: block; margin: 1rem 0 0.375rem; font-size: 0.9375rem; font-weight: 550; }
input, select {
  display: block;
  width: 100%;
  height: 2.875rem;
  padding: 0 0.85rem;
  border: 1px solid var(--field);
  border-radius: 10px;
  background: var(--card);
  color: var(--text);
  font: inherit;
}
input.code { font-size: 1.25rem; letter-spacing: 0.12em; text-transform: uppercase; }
.qr { display: block; width: 100%; max-width: 14rem; margin: 0 auto 1rem; border-radius: 12px; }
.key { font: 600 1rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.codes { margin: 0; padding: 0.85rem; list-style: none; border: 1px solid var(--line); border-radius: 12px; }
.user-code {
  margin: 0 0 1rem;
  padding: 0.6rem;
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--soft);
  font: 600 1.75rem/1.3 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
  letter-spacing: 0.1em;
  text-align: center;
}
input[type="hidden"] { display: none; }
input[aria-invalid="true"] { border-color: var(--danger); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
input:focus-visible { outline-offset: 0; border-color: var(--accent); }
.actions { display: grid; gap: 0.625rem; margin-top: 1.5rem; }
.check { display: flex; align-items: center; gap: 0.6rem; margin: 1rem 0 0; }
.check input { flex: none; width: 1.25rem; height: 1.25rem; margin: 0; accent-color: var(--accent); }
.check label { margin: 0; font-weight: 400; }
fieldset { margin: 1rem 0 0; padding: 0; border: 0; min-width: 0; }
legend { padding: 0; font-size: 0.9375rem; font-weight: 550; }
button, .button {
  display: flex;
  align-items: center;
  justify-content: center;
  width: 100%;
  min-height: 2.875rem;
  padding: 0.5rem 1rem;
  border: 1px solid var(--field);
  border-radius: 10px;
  background: transparent;
  color: var(--text);
  font: inherit;
  font-weight: 600;
  text-decoration: none;
  cursor: pointer;
}
button:hover, .button:hover { background: var(--over); }
.primary { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
.primary:hover { border-color: var(--accent-over); background: var(--accent-over); }
.person {
  display: flex;
  align-items: center;
  gap: 0.85rem;
  margin: 0 0 1rem;
  padding: 0.75rem 0.85rem;
  border: 1px solid var(--line);
  border-radius: 12px;
}
.avatar {
  flex: none;
  display: grid;
  place-items: center;
  width: 2.5rem;
  height: 2.5rem;
  border-radius: 50%;
  background: var(--soft);
  color: var(--accent);
  font-weight: 650;
}
.person-text { display: grid; min-width: 0; line-height: 1.35; }
.person-text .quiet { font-size: 0.8125rem; }
.person-name { font-weight: 600; }
.beside { margin-top: -0.25rem; font-size: 0.9375rem; }
.scopes, .plain { margin: 0; padding: 0; list-style: none; }
.plain li + li { margin-top: 0.25rem; }
.beside.after, .plain.after { margin-top: 1rem; }
.scopes { border: 1px solid var(--line); border-radius: 12px; }
.scopes li { position: relative; padding-block: 0.7rem; padding-inline: 2.5rem 0.85rem; }
.scopes li + li { border-top: 1px solid var(--line); }
.scopes li::before {
  content: "";
  position: absolute;
  inset-inline-start: 1.1rem;
  top: 1.05rem;
  width: 0.35rem;
  height: 0.7rem;
  border: solid var(--accent);
  border-width: 0 2px 2px 0;
  transform: rotate(42deg);
}
.scopes code { display: block; }
.entries { margin: 0; padding: 0; list-style: none; border: 1px solid var(--line); border-radius: 12px; }
.entries > li { display: flex; align-items: start; justify-content: space-between; gap: 0.85rem; padding: 0.85rem; }
.entries > li + li { border-top: 1px solid var(--line); }
.entries > .stacked { flex-direction: column; gap: 0.6rem; }
time { white-space: nowrap; }
.entries form { flex: none; }
.facts { display: grid; grid-template-columns: minmax(6rem, 30%) minmax(0, 1fr); gap: 0.2rem 0.85rem; width: 100%; margin: 0; overflow-wrap: anywhere; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; }
.facts time { white-space: normal; }
.entry { min-width: 0; line-height: 1.4; }
.entry > .quiet { display: block; }
.entry > code { display: block; }
.entry-name { font-weight: 600; }
[dir="ltr"] .entry-name { margin-right: 0.35rem; }
[dir="rtl"] .entry-name { margin-left: 0.35rem; }
.badge {
  display: inline-block;
  padding: 0.05rem 0.5rem;
  border-radius: 999px;
  background: var(--soft);
  color: var(--accent);
  font-size: 0.75rem;
  font-weight: 600;
}
.words {
  max-height: 22rem;
  margin: 0 0 1rem;
  padding: 0.85rem;
  overflow-y: auto;
  border: 1px solid var(--line);
  border-radius: 12px;
  font-size: 0.9375rem;
}
.words p { white-space: pre-line; }
.words p:last-child { margin-bottom: 0; }
.actions.below { margin-top: 0.625rem; }
.text { width: 100%; font-size: 0.9375rem; }
.text summary { color: var(--accent); cursor: pointer; }
.text > * + * { margin-top: 0.6rem; }
.to-accept { margin-top: 1.25rem; }
.to-accept .beside { margin-bottom: 0; }
.choices { display: flex; flex-wrap: wrap; gap: 0.6rem; }
.dashes { margin: 0.35rem 0; padding-inline-start: 1.1rem; font-size: 0.9375rem; }
.dashes li::marker { color: var(--quiet); }
.small { width: auto; min-height: 2.25rem; padding: 0.25rem 0.75rem; font-size: 0.875rem; white-space: nowrap; }
.passkey { margin-top: 0.625rem; }
.lead ~ .passkey { margin-top: 1.25rem; }
.rename { margin-top: 0.35rem; font-size: 0.875rem; }
.rename > summary { color: var(--accent); cursor: pointer; width: fit-content; }
.danger { border-color: var(--danger); color: var(--danger); }
@media (max-width: 30rem) {
  body { align-content: start; gap: 0; padding: 0 0 1rem; background: var(--card); }
  .card { max-width: none; border: 0; border-radius: 0; box-shadow: none; padding: 2rem 1.25rem; }
}
@media (forced-colors: active) {
  .card, .person, .scopes, .entries { border-color: CanvasText; }
  .mark-ground { fill: Highlight; }
  .mark-line { stroke: HighlightText; }
}
`
