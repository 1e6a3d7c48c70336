/** The tokenizers of OpenAI's models. `npm run build` bundles them, so that users do not install the library, which has more of them. */
export { countTokens as countCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
export { countTokens as countO200k } from 'gpt-tokenizer/encoding/o200k_base';
