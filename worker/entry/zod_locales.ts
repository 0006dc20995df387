// The only language of the error texts of zod in the Workers bundle. wrangler.toml puts this file
// in the place of zod's list of some fifty languages. No bundler drops that list, since zod exports
// it as a member of `z`.
export { default as en } from 'zod/v4/locales/en.js'
