import type { LineHistory } from './line-attempts.ts';
import type { Cost } from './token-cost.ts';
import { MAX_EMBEDDING_INPUTS } from './limits.ts';

/** Names one shard: round 1 holds the input's lines, later rounds the lines still without an answer. */
export function shardId(round: number, index: number): string {
  return `r${round}-${String(index + 1).padStart(5, '0')}`;
}

/** Where a shard stands in its round, from 0. */
export function shardIndex(id: string): number {
  return Number(id.slice(id.indexOf('-') + 1)) - 1;
}

/** The round of a shard, from 1. */
export function shardRound(id: string): number {
  return Number(id.slice(1, id.indexOf('-')));
}

/** Orders shards by round and place. */
export function compareShards(a: string, b: string): number {
  return shardRound(a) - shardRound(b) || shardIndex(a) - shardIndex(b);
}

/** A line and its `LineHistory`; without `idle`, as in records of earlier versions, all its free tries were idle. */
export type CarriedLine = readonly [line: number, sent: number, charged: number, idle?: number];

/** The record of a line that goes again. */
export function toCarriedLine(line: number, { sent, charged, idle }: LineHistory): CarriedLine {
  return idle === sent - charged ? [line, sent, charged] : [line, sent, charged, idle];
}

/** What one shard holds. Lines are named by their number in the input; they are in ascending order. */
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
  /** The shard that was refused without naming lines and cut into this one and others. */
  readonly cutFrom?: string;
  /** The largest file, in bytes, that these lines may go again in: a larger one was refused. */
  readonly maxBytes?: number;
}

/** One round of a job: how many shards and lines it has, and what was refused before it. */
export interface RoundPlan {
  readonly shards: number;
  readonly lines: number;
  /** Lines of each shard, in order. */
  readonly shardLines: readonly number[];
  /** Input lines refused with `--skip-bad-lines`; counted in round 1 only. */
  readonly rejected: number;
  /** Models of the lines, in order of appearance, as many as a search attribute holds; of round 1 only, and not in plans of version 0.1. */
  readonly models?: readonly string[];
  /** Input lines that an earlier job of the series has answered; absent where nobody looked. */
  readonly kept?: number;
  /** Which of `jobFiles.building` the round's files were made in; of round 1 only, and not in plans of version 0.1. */
  readonly built?: string;
  /** True for a round of lines that had ended without an answer and are bought again: their new rows replace the old ones. */
  readonly rebought?: true;
  /** How its lines had ended, for a round that begins another pass; they had ended `answer_unavailable` where it is absent. */
  readonly retried?: { readonly failed: number; readonly cancelled: number };
}

/** How a shard's lines ended. */
export interface ShardOutcome {
  /** Which file holds the rows of the lines that ended, see `shardFiles.rows`; absent in outcomes of version 0.1, and where none did. */
  readonly rows?: string;
  readonly answered: number;
  readonly failed: number;
  /** Lines that go again. */
  readonly again: readonly CarriedLine[];
  /** Tokens of all rows that were paid, also of those that gave no answer; without `twice`. */
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** What they cost, priced row by row; absent in outcomes of version 0.1, which kept no more than the sums above. */
  readonly cost?: Cost;
  /** Paid rows, of a model whose price is known, whose usage does not say what they cost; absent where there are none. */
  readonly unpriced?: number;
  /** Failed and retried lines by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** The first lines, at most `EXAMPLES_KEPT`, that met each error; outcomes of version 0.1 have none. */
  readonly examples?: Readonly<Record<string, readonly number[]>>;
  /** Set when the shard was too large for the API or a gateway before it: its lines go again in halves. */
  readonly tooLarge?: true;
  /** Set when the API refused the shard's batch as a whole; decides how its lines are packed again. */
  readonly refusal?: WholeRefusal;
  /** Answers that came a second time, from batches created on top of this one; absent where there are none. */
  readonly twice?: PaidTwice;
  /** Lines that were refused because of the account's billing or key; absent where there are none. */
  readonly accountRefused?: { readonly code: string; readonly lines: number };
}

/** Why the API refused a batch as a whole, for a reason that waiting does not help. */
export interface WholeRefusal {
  readonly code: string;
  /** What the API said. */
  readonly message: string;
  /** How many lines of the shard it named; they have ended. */
  readonly named: number;
}

/** Lines of a settled shard that have a row; the others go again. */
export function endedLines({ lines }: ShardManifest, { again }: ShardOutcome): number {
  return lines - again.length;
}

/** Lines named for each error of a shard: enough to look into the input. */
export const EXAMPLES_KEPT = 5;

/** Answers that were paid and could not be used, since their lines had one already. */
export interface PaidTwice {
  readonly answers: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** What they cost; absent in records of version 0.1. */
  readonly cost?: Cost;
}

/** What a shard may hold. */
export interface ShardLimits {
  readonly lines: number;
  readonly bytes: number;
}

/** What a line adds to its shard. */
export interface LineSize {
  readonly bytes: number;
  /** Inputs of an embeddings request; 0 for other endpoints. */
  readonly embeddingInputs: number;
}

/** What a shard has taken so far. */
export class ShardFill {
  lines = 0;
  bytes = 0;
  embeddingInputs = 0;

  /** True when one more line would break a limit. */
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
      manifest.carried.map(([line, sent, charged, idle = sent - charged]) => [line, { sent, charged, idle }]),
    );
  }

  /** All lines with their histories as they are, for lines that go again without having been sent. */
  carry(): CarriedLine[] {
    return Array.from(this.numbers, (line) => toCarriedLine(line, this.historyOf(line)));
  }

  /** Where the line stands in the shard; -1 when it is not in it. */
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
