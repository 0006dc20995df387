// The only language of zod's error texts that goes out to Workers. wrangler.toml puts this file in
// the place of zod's list of some fifty languages, which no bundler drops: zod exports the list as
// a member of `z`.
export { default as en } from 'zod/v4/locales/en.js'
