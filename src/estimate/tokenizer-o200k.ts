/** The tokenizer of present models. `npm run build` bundles it, so that users do not install the library, which has many. */
export { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
