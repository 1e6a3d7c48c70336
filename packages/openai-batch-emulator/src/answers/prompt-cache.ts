import type { CacheUse, PromptMemory } from './answer.ts';
import { modelFacts } from './model-kind.ts';
import type { RequestText } from './request-text.ts';
import { BYTES_PER_TOKEN } from './token-estimate.ts';

/** Shorter prompts are not cached; longer ones are cached in steps. From OpenAI's guide to prompt caching. */
const LEAST_TOKENS = 1024;
const STEP_TOKENS = 128;
const LEAST_BYTES = LEAST_TOKENS * BYTES_PER_TOKEN;
const MOST_KEPT = 64;

/**
 * The prompts of a batch by their beginnings. The part that a prompt shares with an earlier one counts as cached. Characters
 * are compared where the API compares tokens, which is precise enough for accounting.
 */
export class PromptCache implements PromptMemory {
  readonly #prompts = new Map<string, string>();

  /** Looks up a prompt and keeps it for later ones. */
  use(model: string, text: RequestText): CacheUse {
    const writes = modelFacts(model).reportsCacheWrites;
    if (text.promptBytes < LEAST_BYTES) return { cachedTokens: 0, writtenTokens: writes ? 0 : undefined };
    const prompt = `${text.instructions}\n${text.lastUser}`;
    const key = prompt.slice(0, LEAST_BYTES);
    const known = this.#prompts.get(key);
    this.#keep(key, prompt);
    const shared = known === undefined ? 0 : commonLength(known, prompt);
    const whole = inSteps(Math.floor(text.promptBytes / BYTES_PER_TOKEN));
    const cachedTokens = Math.min(inSteps(Math.floor(shared / BYTES_PER_TOKEN)), whole);
    return { cachedTokens, writtenTokens: writes ? whole - cachedTokens : undefined };
  }

  #keep(key: string, prompt: string): void {
    this.#prompts.delete(key);
    this.#prompts.set(key, prompt);
    for (const oldest of this.#prompts.keys()) {
      if (this.#prompts.size <= MOST_KEPT) break;
      this.#prompts.delete(oldest);
    }
  }
}

/** The members for the cache in the token details of a usage. */
export function cacheDetails(use: CacheUse): { cached_tokens: number; cache_write_tokens?: number } {
  const { cachedTokens: cached_tokens, writtenTokens } = use;
  return writtenTokens === undefined
    ? { cached_tokens }
    : { cached_tokens, cache_write_tokens: writtenTokens };
}

function inSteps(tokens: number): number {
  return tokens < LEAST_TOKENS ? 0 : tokens - ((tokens - LEAST_TOKENS) % STEP_TOKENS);
}

function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
