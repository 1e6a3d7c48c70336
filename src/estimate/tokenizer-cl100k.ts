/** The tokenizer of earlier models. `npm run build` bundles it, so that users do not install the library, which has many. */
export { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
