import { NOT_JSON, type JsonScanner } from '../../core/json-scan.ts';
import { arePlausible, noTokens, type TokenCounts } from '../../core/token-cost.ts';

/** How far an answer's usage can be priced. */
export const UsageState = {
  /** There is no usage. */
  Absent: 'absent',
  Known: 'known',
  /** A count is invalid, or a part is larger than its total: the paid amount cannot be derived. */
  Unclear: 'unclear',
} as const;
export type UsageState = (typeof UsageState)[keyof typeof UsageState];

/** The tokens of an answer. */
export interface RowUsage {
  readonly tokens: Readonly<TokenCounts>;
  readonly state: UsageState;
  /** True when counts other than input, cached and output are not zero. */
  readonly hasRareKinds: boolean;
}

/** Larger counts are not plausible for one request, and do not fit into the index of a shard. */
const MAX_COUNT = 2 ** 32 - 1;

const ABSENT = -1;

/** The positions in `found` of the first spelling of each count; the second one follows. */
const place = {
  input: 0,
  cached: 2,
  output: 4,
  cacheWrite: 6,
  imageInput: 8,
  cachedImage: 10,
  audioInput: 12,
  cachedAudio: 14,
  imageOutput: 16,
  audioOutput: 18,
  reasoning: 20,
} as const satisfies Record<keyof TokenCounts, number>;
const FIRST_RARE = place.cacheWrite;
const rareKinds = (Object.keys(place) as (keyof TokenCounts)[]).filter((kind) => place[kind] >= FIRST_RARE);

/**
 * Reads the `usage` of an answer. Each count has two spellings (Chat Completions: `prompt_tokens`, Responses:
 * `input_tokens`). Gateways send both and set one to zero: the first count that is not zero is used.
 */
export class UsageReader implements RowUsage {
  readonly tokens: TokenCounts = noTokens();
  state: UsageState = UsageState.Absent;
  hasRareKinds = false;
  private readonly scanner: JsonScanner;
  /** For each kind both spellings: a count, `ABSENT`, or NaN for an invalid count. */
  private readonly found = new Float64Array(22);
  private end = 0;
  private spelling = 0;
  private isInput = true;
  private isRare = false;

  constructor(scanner: JsonScanner) {
    this.scanner = scanner;
  }

  clear(): void {
    this.state = UsageState.Absent;
    this.hasRareKinds = false;
    const { tokens } = this;
    tokens.input = tokens.cached = tokens.output = 0;
    if (this.isRare) for (const kind of rareKinds) tokens[kind] = 0;
    this.isRare = false;
  }

  /** Reads the object at `start` of the scanner's block; returns the offset after it, or NOT_JSON. */
  read(start: number, end: number): number {
    this.clear();
    this.end = end;
    this.found.fill(ABSENT);
    const close = this.scanner.scanObject(start, end, this.onMember);
    if (close !== NOT_JSON) this.evaluate();
    return close;
  }

  private evaluate(): void {
    const { tokens } = this;
    const input = this.pick(place.input);
    const output = this.pick(place.output);
    if (input === ABSENT && output === ABSENT) return;
    let isClear = !Number.isNaN(input) && !Number.isNaN(output);
    tokens.input = input > 0 ? input : 0;
    tokens.output = output > 0 ? output : 0;
    const cached = this.pick(place.cached);
    isClear &&= !Number.isNaN(cached);
    tokens.cached = cached > 0 ? cached : 0;
    if (this.isRare) {
      for (const kind of rareKinds) {
        const count = this.pick(place[kind]);
        // Servers that do not count reasoning as output write any number here: only few prices depend on it.
        isClear &&= !Number.isNaN(count) || kind === 'reasoning';
        tokens[kind] = count > 0 ? count : 0;
        this.hasRareKinds ||= count > 0;
      }
      const otherOutput = tokens.imageOutput + tokens.audioOutput;
      tokens.reasoning = Math.min(tokens.reasoning, Math.max(0, tokens.output - otherOutput));
    }
    isClear &&= this.hasRareKinds ? arePlausible(tokens) : tokens.cached <= tokens.input;
    this.state = isClear ? UsageState.Known : UsageState.Unclear;
    // The sum of cached tokens must not exceed the sum of input tokens.
    if (!isClear) tokens.cached = Math.min(tokens.cached, tokens.input);
  }

  private pick(at: number): number {
    const first = this.found[at]!;
    const second = this.found[at + 1]!;
    if (first > 0) return first;
    if (second > 0) return second;
    if (Number.isNaN(first) || Number.isNaN(second)) return Number.NaN;
    return Math.max(first, second);
  }

  // Keys are compared by length first, for speed: each of millions of rows has a `usage`.
  private readonly onMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner } = this;
    switch (keyEnd - keyStart) {
      case 12:
        if (scanner.keyIs(keyStart, keyEnd, 'input_tokens')) return this.take(place.input + 1, valueStart);
        break;
      case 13:
        if (scanner.keyIs(keyStart, keyEnd, 'prompt_tokens')) return this.take(place.input, valueStart);
        if (scanner.keyIs(keyStart, keyEnd, 'output_tokens')) return this.take(place.output + 1, valueStart);
        break;
      case 17:
        if (scanner.keyIs(keyStart, keyEnd, 'completion_tokens')) return this.take(place.output, valueStart);
        break;
      case 20:
        if (scanner.keyIs(keyStart, keyEnd, 'input_tokens_details')) return this.enter(true, 1, valueStart);
        break;
      case 21:
        if (scanner.keyIs(keyStart, keyEnd, 'prompt_tokens_details')) return this.enter(true, 0, valueStart);
        if (scanner.keyIs(keyStart, keyEnd, 'output_tokens_details')) return this.enter(false, 1, valueStart);
        break;
      case 25:
        if (scanner.keyIs(keyStart, keyEnd, 'completion_tokens_details'))
          return this.enter(false, 0, valueStart);
        break;
    }
    return scanner.scanValue(valueStart, this.end);
  };

  private enter(isInput: boolean, spelling: number, valueStart: number): number {
    this.isInput = isInput;
    this.spelling = spelling;
    return this.scanner.block[valueStart] === 0x7b
      ? this.scanner.scanObject(valueStart, this.end, this.onDetail)
      : this.scanner.scanValue(valueStart, this.end);
  }

  private readonly onDetail = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, isInput, spelling } = this;
    switch (keyEnd - keyStart) {
      case 12:
        if (scanner.keyIs(keyStart, keyEnd, 'image_tokens'))
          return this.take((isInput ? place.imageInput : place.imageOutput) + spelling, valueStart);
        if (scanner.keyIs(keyStart, keyEnd, 'audio_tokens'))
          return this.take((isInput ? place.audioInput : place.audioOutput) + spelling, valueStart);
        break;
      case 13:
        if (isInput && scanner.keyIs(keyStart, keyEnd, 'cached_tokens'))
          return this.take(place.cached + spelling, valueStart);
        break;
      case 16:
        if (!isInput && scanner.keyIs(keyStart, keyEnd, 'reasoning_tokens'))
          return this.take(place.reasoning + spelling, valueStart);
        break;
      case 18:
        if (isInput && scanner.keyIs(keyStart, keyEnd, 'cache_write_tokens'))
          return this.take(place.cacheWrite + spelling, valueStart);
        break;
      case 21:
        if (
          isInput &&
          scanner.keyIs(keyStart, keyEnd, 'cached_tokens_details') &&
          scanner.block[valueStart] === 0x7b
        )
          return scanner.scanObject(valueStart, this.end, this.onCachedDetail);
        break;
    }
    return scanner.scanValue(valueStart, this.end);
  };

  private readonly onCachedDetail = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, spelling } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'image_tokens'))
      return this.take(place.cachedImage + spelling, valueStart);
    if (scanner.keyIs(keyStart, keyEnd, 'audio_tokens'))
      return this.take(place.cachedAudio + spelling, valueStart);
    return scanner.scanValue(valueStart, this.end);
  };

  private take(at: number, start: number): number {
    const end = this.scanner.scanValue(start, this.end);
    if (end === NOT_JSON) return NOT_JSON;
    const count = countIn(this.scanner.block, start, end);
    if (count !== 0 && at >= FIRST_RARE) this.isRare = true;
    this.found[at] = count;
    return end;
  }
}

/** Reads a count of tokens; `ABSENT` for null, NaN for any other value. */
function countIn(block: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 9) return unusualCount(block, start, end);
    value = value * 10 + digit;
  }
  return value <= MAX_COUNT ? value : Number.NaN;
}

/** Reads a count such as `12.0` or `1e3`. */
function unusualCount(block: Uint8Array, start: number, end: number): number {
  if (block[start] === 0x6e) return ABSENT;
  const value =
    end - start < 30 ? Number(Buffer.from(block.subarray(start, end)).toString('latin1')) : Number.NaN;
  return Number.isInteger(value) && value >= 0 && value <= MAX_COUNT ? value : Number.NaN;
}
