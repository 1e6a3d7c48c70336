import type { LineHistory } from './line-attempts.ts';
import type { Amount } from './token-cost.ts';
import { MAX_EMBEDDING_INPUTS } from './limits.ts';

/** The id of a shard: round 1 has the input's lines, later rounds the lines still without an answer. */
export function shardId(round: number, index: number): string {
  return `r${round}-${String(index + 1).padStart(5, '0')}`;
}

/** The index of a shard in its round, from 0. */
export function shardIndex(id: string): number {
  return Number(id.slice(id.indexOf('-') + 1)) - 1;
}

/** The round of a shard, from 1. */
export function shardRound(id: string): number {
  return Number(id.slice(1, id.indexOf('-')));
}

/** Orders shards by round and index. */
export function compareShards(a: string, b: string): number {
  return shardRound(a) - shardRound(b) || shardIndex(a) - shardIndex(b);
}

/** A line and its `LineHistory`; without `idle`, as in records of earlier versions, all its uncharged attempts were idle. */
export type CarriedLine = readonly [
  line: number,
  sent: number,
  charged: number,
  idle?: number,
  wrong?: number,
];

/** The record of a line that is sent again. */
export function toCarriedLine(line: number, { sent, charged, idle, wrong }: LineHistory): CarriedLine {
  if (wrong !== undefined) return [line, sent, charged, idle, wrong];
  return idle === sent - charged ? [line, sent, charged] : [line, sent, charged, idle];
}

/** The lines of one shard, by their numbers in the input, ascending. */
export interface ShardManifest {
  readonly model: string;
  readonly endpoint: string;
  readonly lines: number;
  readonly bytes: number;
  /** Inclusive ranges of line numbers. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
  /** For lines that were sent before. Empty in round 1. */
  readonly carried: readonly CarriedLine[];
  readonly hasIds: boolean;
  /** How often in a row the API refused batches of these lines as a whole; absent: never. */
  readonly refusals?: number;
  /** The shard that the API refused without naming lines, and that was cut into this one and others. */
  readonly cutFrom?: string;
  /** The largest file, in bytes, for these lines: a larger one was refused. */
  readonly maxBytes?: number;
  /** The lines whose requests have feedback on the last answer; absent if there are none. */
  readonly feedback?: readonly FeedbackLine[];
  /**
   * The requests of the uploaded file, `shardFiles.packed`, if adjacent lines share them: for each, the estimated tokens of its lines. Absent
   * for a shard that uploads one request per line.
   */
  readonly packs?: readonly (readonly number[])[];
}

/** A line and the parts of its request that were added to the first one: pairs of offset and length in bytes, ascending. */
export type FeedbackLine = readonly [line: number, ...parts: number[]];

/** The model of a shard, its estimated prompt tokens, and 1 if it has a batch on record, whose tokens are in use already. */
export type ShardTokens = readonly [model: string, tokens: number, hasBatch?: 1];

/** One round of a job: its numbers of shards and lines, and of the lines refused before it. */
export interface RoundPlan {
  readonly shards: number;
  readonly lines: number;
  /** Lines of each shard, in order. */
  readonly shardLines: readonly number[];
  /** Input lines refused with `--skip-bad-lines`; counted in round 1 only. */
  readonly rejected: number;
  /** Models of the lines, in order of appearance, as many as a search attribute holds; of round 1 only, and not in plans of version 0.1. */
  readonly models?: readonly string[];
  /** Input lines that an earlier job of the series has answered; absent for a job without a series. */
  readonly kept?: number;
  /** The `jobFiles.building` folder in which the round's files were written; of round 1 only, and not in plans of version 0.1. */
  readonly built?: string;
  /** True for a round of lines that had ended without an answer and are bought again: their new rows replace the old ones. */
  readonly rebought?: true;
  /** The tokens of each shard; only of jobs that share a token queue. */
  readonly tokens?: readonly ShardTokens[];
  /** How its lines had ended, for a round that starts another pass; absent if they had ended `answer_unavailable`. */
  readonly retried?: { readonly failed: number; readonly cancelled: number };
}

/** How a shard's lines ended. */
export interface ShardOutcome extends Partial<Amount> {
  /** The file with the rows of the lines that ended, see `shardFiles.rows`; absent in outcomes of version 0.1, and if none ended. */
  readonly rows?: string;
  readonly answered: number;
  readonly failed: number;
  /** Lines that are sent again. */
  readonly again: readonly CarriedLine[];
  /**
   * Tokens of all paid rows, including those without an answer; without `twice`. Their amount is the sum over the rows; outcomes of version 0.1
   * have only these sums.
   */
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Where the prices are from; absent if they are not known, and in outcomes of earlier versions. */
  readonly priceSource?: string;
  /** Paid rows of a model of known price whose usage does not determine their cost; absent if there are none. */
  readonly unpriced?: number;
  /** Failed and retried lines by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** The first lines with each error, at most `EXAMPLES_KEPT`; outcomes of version 0.1 have none. */
  readonly examples?: Readonly<Record<string, readonly number[]>>;
  /** Set when there is feedback for the next requests of lines (`shardFiles.feedback`). */
  readonly hasFeedback?: true;
  /** Set when the shard was too large for the API or a gateway before it: its lines are sent again in halves. */
  readonly tooLarge?: true;
  /** Set when the API refused the shard's batch as a whole; decides how its lines are packed again. */
  readonly refusal?: WholeRefusal;
  /** Second answers, from duplicate batches of this one; absent if there are none. */
  readonly twice?: PaidTwice;
  /** Lines that were refused because of the account's billing or key; absent if there are none. */
  readonly accountRefused?: { readonly code: string; readonly lines: number };
}

/** Why the API refused a batch as a whole, for a permanent reason. */
export interface WholeRefusal {
  readonly code: string;
  /** The API's message. */
  readonly message: string;
  /** The number of lines of the shard that it named; they have ended, or are sent again alone if they shared a request. */
  readonly named: number;
}

/** The number of lines of a settled shard that have a row; the others are sent again. */
export function endedLines({ lines }: ShardManifest, { again }: ShardOutcome): number {
  return lines - again.length;
}

/** Example lines for each error of a shard: enough to find the cause in the input. */
export const EXAMPLES_KEPT = 5;

/** Paid answers that were not used, since their lines already had one. Records of version 0.1 have no amount. */
export interface PaidTwice extends Partial<Amount> {
  readonly answers: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** The maximum size of a shard. */
export interface ShardLimits {
  readonly lines: number;
  readonly bytes: number;
}

/** The size that a line adds to its shard. */
export interface LineSize {
  readonly bytes: number;
  /** Inputs of an embeddings request; 0 for other endpoints. */
  readonly embeddingInputs: number;
}

/** The size of a shard so far. */
export class ShardFill {
  lines = 0;
  bytes = 0;
  embeddingInputs = 0;

  /** True when this line would exceed a limit. */
  isFullFor(line: LineSize, limits: ShardLimits): boolean {
    return (
      this.lines >= limits.lines ||
      this.bytes + line.bytes > limits.bytes ||
      this.embeddingInputs + line.embeddingInputs > MAX_EMBEDDING_INPUTS
    );
  }

  add(line: LineSize): void {
    this.lines += 1;
    this.bytes += line.bytes;
    this.embeddingInputs += line.embeddingInputs;
  }
}

/** The lines of a shard as a list of numbers, each with its history. */
export class ShardLines {
  readonly numbers: Float64Array;
  private readonly histories: Map<number, LineHistory>;

  constructor(manifest: Pick<ShardManifest, 'lines' | 'ranges' | 'carried'>) {
    this.numbers = new Float64Array(manifest.lines);
    let i = 0;
    for (const [from, to] of manifest.ranges) {
      for (let line = from; line <= to; line += 1) this.numbers[i++] = line;
    }
    this.histories = new Map(
      manifest.carried.map(([line, sent, charged, idle = sent - charged, wrong]) => [
        line,
        { sent, charged, idle, ...(wrong === undefined ? {} : { wrong }) },
      ]),
    );
  }

  /** All lines with unchanged histories, for lines that are sent again without having been sent. */
  carry(): CarriedLine[] {
    return Array.from(this.numbers, (line) => toCarriedLine(line, this.historyOf(line)));
  }

  /** The position of the line in the shard; -1 if the shard does not contain it. */
  positionOf(line: number): number {
    const numbers = this.numbers;
    // Round 1 shards are mostly one range: the position is the distance to the first line.
    const guess = line - numbers[0]!;
    if (guess >= 0 && guess < numbers.length && numbers[guess] === line) return guess;
    let low = 0;
    let high = numbers.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = numbers[middle]!;
      if (found === line) return middle;
      if (found < line) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  historyOf(line: number): LineHistory {
    return this.histories.get(line) ?? unsent;
  }
}

const unsent: LineHistory = { sent: 0, charged: 0, idle: 0 };

/** Collects ascending line numbers as inclusive ranges. */
export class RangeList {
  readonly ranges: [from: number, to: number][] = [];

  /** The largest number so far; 0 before the first. */
  get last(): number {
    return this.ranges.at(-1)?.[1] ?? 0;
  }

  add(line: number): void {
    const last = this.ranges.at(-1);
    if (last !== undefined && last[1] === line - 1) last[1] = line;
    else this.ranges.push([line, line]);
  }
}
