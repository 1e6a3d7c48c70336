/** Counts the tokens of a text, as a model does. */
export type TokenCounter = (text: string) => number;

/** Models whose texts are encoded by `cl100k_base`; newer ones have `o200k_base`. tiktoken, `model.py` (Nov 2026). */
const cl100k = /^(?:ft:)?(?:gpt-4(?!o|\.)|gpt-3\.5|gpt-35|text-embedding-|babbage|davinci)/;

/** The tokenizers take a time that grows with the square of a run without spaces; longer runs are cut, which adds a token or so each. */
const longRun = /\S{200}/gu;

/** Texts that look like special tokens are text: a request cannot have others. */
const asText = { disallowedSpecial: new Set<string>() };

/** Loads the tokenizer of a model. A model that is not known has that of the newest ones. */
export async function tokenCounterOf(model: string): Promise<TokenCounter> {
  const { countTokens } = cl100k.test(model)
    ? await import('./tokenizer-cl100k.ts')
    : await import('./tokenizer-o200k.ts');
  return (text) => {
    let tokens = 0;
    for (const piece of text.replaceAll(longRun, '$&\u0000').split('\u0000'))
      tokens += countTokens(piece, asText);
    return tokens;
  };
}
