import type { RequestContent } from './request-content.ts';
import type { TokenCounter } from './token-counter.ts';

/** The most requests and characters of a sample. */
const SAMPLE_REQUESTS = 2_048;
const SAMPLE_CHARACTERS = 4 << 20;

/** A sample does not take longer; what it has by then is used. */
export const SAMPLING_MS = 5_000;

/** The prompt tokens of many requests. */
export interface PromptTokens {
  readonly tokens: number;
  /** The estimate is within this share of the truth in 95 % of all samples; 0 if every request was counted. */
  readonly margin: number;
}

interface SampledRequest {
  readonly texts: readonly string[];
  readonly characters: number;
}

/**
 * Estimates the prompt tokens of requests of one model: the tokens around texts are summed, and the tokens of texts are those of a sample, by
 * the number of characters.
 */
export class PromptSample {
  private requests = 0;
  private characters = 0;
  private fixedTokens = 0;
  /** Every `step`-th request. */
  private sample: SampledRequest[] = [];
  private sampled = 0;
  private step = 1;

  add({ texts, fixedTokens }: RequestContent): void {
    let characters = 0;
    for (const text of texts) characters += text.length;
    if (this.requests % this.step === 0) this.keep({ texts, characters });
    this.requests += 1;
    this.characters += characters;
    this.fixedTokens += fixedTokens;
  }

  estimate(countTokens: TokenCounter, samplingMs: number = SAMPLING_MS): PromptTokens {
    const counted = this.count(countTokens, samplingMs);
    let [tokens, characters] = [0, 0];
    for (const [ofRequest, length] of counted) {
      tokens += ofRequest;
      characters += length;
    }
    const ratio = characters === 0 ? 0 : tokens / characters;
    const all = Math.round(this.fixedTokens + ratio * this.characters);
    return { tokens: all, margin: counted.length === this.requests ? 0 : marginOf(counted, ratio, tokens) };
  }

  private keep(request: SampledRequest): void {
    this.sample.push(request);
    this.sampled += request.characters;
    while (
      this.sample.length > 1 &&
      (this.sample.length > SAMPLE_REQUESTS || this.sampled > SAMPLE_CHARACTERS)
    ) {
      this.sample = this.sample.filter((_, index) => index % 2 === 0);
      this.step *= 2;
      this.sampled = this.sample.reduce((sum, { characters }) => sum + characters, 0);
    }
  }

  /** Tokens and characters of sampled requests, from all parts of the input even if there is no time for all. */
  private count(countTokens: TokenCounter, samplingMs: number): [tokens: number, characters: number][] {
    const end = performance.now() + samplingMs;
    const counted: [number, number][] = [];
    for (const index of spread(this.sample.length)) {
      const { texts, characters } = this.sample[index]!;
      let tokens = 0;
      for (const text of texts) tokens += countTokens(text);
      counted.push([tokens, characters]);
      if (performance.now() > end) break;
    }
    return counted;
  }
}

/** The indexes below `length`, each once, far from each other. */
function* spread(length: number): Generator<number> {
  const stride = [1_009, 1_013, 1_019].find((prime) => length % prime !== 0)!;
  for (let i = 0; i < length; i += 1) yield (i * stride) % length;
}

/** Twice the standard error of a ratio estimate, as a share of it. */
function marginOf(counted: readonly [number, number][], ratio: number, tokens: number): number {
  const n = counted.length;
  if (n < 2 || tokens === 0) return 1;
  let squares = 0;
  for (const [ofRequest, characters] of counted) squares += (ofRequest - ratio * characters) ** 2;
  return (2 * Math.sqrt(squares / (n - 1) / n)) / (tokens / n);
}
