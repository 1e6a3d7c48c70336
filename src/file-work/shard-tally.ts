import { BatchStatus, type BatchErrorEntry } from '../core/batch-status.ts';
import { afterTry, TryUse } from '../core/line-tries.ts';
import { plainCode } from '../core/plain-code.ts';
import {
  EXAMPLES_KEPT,
  toCarriedLine,
  type CarriedLine,
  type PaidTwice,
  type ShardLines,
  type ShardOutcome,
  type WholeRefusal,
} from '../core/shard-plan.ts';
import { TokenSum, type Cost, type ModelRates } from '../core/token-cost.ts';
import { ResultRowReader, type ReadRow } from '../openai/rows/read-result-row.ts';
import { UsageState } from '../openai/rows/read-usage.ts';
import { meaningOf, RowMeaning } from '../openai/rows/row-meaning.ts';
import { cutLines, type CutLine } from './cut-lines.ts';
import type { SpareBodies } from './spare-bodies.ts';

/** What is known of a shard's ended batch. */
export interface EndedShard {
  readonly job: string;
  readonly shard: string;
  /** Which of the shard's batches ended. */
  readonly batch: number;
  readonly batchId: string;
  readonly status: BatchStatus;
  readonly hasOutput: boolean;
  readonly hasErrors: boolean;
  /** A failed batch's reasons. */
  readonly refused: readonly BatchErrorEntry[];
  /**
   * How lines without a row end: `ask` decides nothing and returns `MissingRows`, so that the caller can ask the API
   * again; see `activities/fetch-results.ts`.
   */
  readonly missing: 'ask' | 'retry' | 'unavailable' | 'cancelled';
  readonly attempts: number;
  /** The model's list prices; null when they are not known, absent where nobody looked. */
  readonly rates?: ModelRates | null;
  /** Batches created on top of this one whose output is in the store: what they answered counts where this one has no answer. */
  readonly duplicates?: readonly string[];
  /** True when one of them has answered lines and its output cannot be read: each line without an answer may be paid. */
  readonly lostDuplicate?: boolean;
}

/** What is known of a shard of which lines have no row in any file. */
export interface MissingRows {
  /** Lines without a row. */
  readonly missing: number;
  /** True when the file was there and held at least one row of a line of this shard. */
  readonly outputRead: boolean;
  readonly errorsRead: boolean;
}

/** A raw file of a batch. */
export interface RawFile {
  readonly path: string;
  /** Its key in the store, for messages. */
  readonly key: string;
}

/** Rows longer than this are not read as rows: no answer of the API comes near. */
const MAX_ROW_BYTES = 512 << 20;

/** How a line stands while its shard's files are read. */
export const lineState = { none: 0, answered: 1, failed: 2, again: 3, cancelled: 4 } as const;

/** Error codes that we write ourselves. */
const ownCode = {
  missing: 'missing_row',
  unavailable: 'answer_unavailable',
  unreadable: 'answer_unreadable',
} as const;

/** Why a line has no answer. */
interface LineError {
  readonly code: string;
  readonly message: string;
  readonly use: TryUse;
}

/** The index of one shard: for each line what is known, and where its answer stands. */
export class ShardTally {
  readonly lines: ShardLines;
  readonly states: Uint8Array;
  readonly file: Uint8Array;
  readonly offset: Float64Array;
  /** A body is shorter than a row, see `MAX_ROW_BYTES`; tokens of one request are far below 2^32. */
  readonly length: Uint32Array;
  readonly input: Uint32Array;
  readonly output: Uint32Array;
  readonly errors: Map<number, LineError> = new Map();
  /** The bodies that do not stand in a raw file as JSON. */
  readonly spare: SpareBodies;
  private readonly paid: PaidSum;
  private readonly twice: PaidSum;
  private readonly ended: EndedShard;
  private readonly refusals: number;
  private refusal: WholeRefusal | null = null;

  /** `refusals`: how often in a row batches of these lines were refused as a whole before. */
  constructor(lines: ShardLines, ended: EndedShard, spare: SpareBodies, refusals: number = 0) {
    const count = lines.numbers.length;
    this.lines = lines;
    this.ended = ended;
    this.refusals = refusals;
    this.spare = spare;
    this.states = new Uint8Array(count);
    this.file = new Uint8Array(count);
    this.offset = new Float64Array(count);
    this.length = new Uint32Array(count);
    this.input = new Uint32Array(count);
    this.output = new Uint32Array(count);
    this.paid = new PaidSum(ended.rates);
    this.twice = new PaidSum(ended.rates);
  }

  /** Reads a file of the shard's own batch; returns whether it holds a row of one of the shard's lines. */
  readFile(file: RawFile, which: number): boolean {
    let isRead = false;
    eachRow(this.lines, file.path, (position, row, cut, block) => {
      isRead = true;
      const meaning = meaningOf(row);
      // The first success wins. A batch runs a line once: a row that comes again was not paid again.
      if (this.states[position] === lineState.answered) return;
      this.paid.add(row, meaning);
      if (meaning === RowMeaning.Answered) this.take(position, row, cut, block, which);
      else if (meaning === RowMeaning.Unreadable) this.endUnreadable(position, file, cut);
      else if (this.errors.get(position)?.code !== ownCode.unreadable) {
        this.states[position] = meaning === RowMeaning.Failed ? lineState.failed : lineState.again;
        this.errors.set(position, {
          code: codeOf(row),
          message: row.errorMessage ?? `The request ended with HTTP status ${row.statusCode ?? 'unknown'}.`,
          use: useOf(meaning),
        });
      }
    });
    return isRead;
  }

  /** Takes answers that the shard's own batch does not have, and counts those that it has. */
  readDuplicate(file: RawFile, which: number): void {
    eachRow(this.lines, file.path, (position, row, cut, block) => {
      const meaning = meaningOf(row);
      const isAnswered = this.states[position] === lineState.answered;
      if (meaning === RowMeaning.Answered && !isAnswered) {
        this.paid.add(row, meaning);
        this.take(position, row, cut, block, which);
        return;
      }
      this.twice.add(row, meaning);
      // It was answered all the same: bought again it would be paid twice.
      if (meaning === RowMeaning.Unreadable && !isAnswered && this.states[position] !== lineState.failed)
        this.endUnreadable(position, file, cut);
    });
  }

  private take(position: number, row: ReadRow, cut: CutLine, block: Buffer, which: number): void {
    const { source, bodyStart, bodyEnd, usage } = row;
    this.states[position] = lineState.answered;
    if (this.errors.size > 0) this.errors.delete(position);
    this.file[position] = which;
    this.offset[position] =
      source === block
        ? cut.fileOffset + (bodyStart - cut.start)
        : this.spare.add(position, source, bodyStart, bodyEnd);
    this.length[position] = bodyEnd - bodyStart;
    this.input[position] = usage.tokens.input;
    this.output[position] = usage.tokens.output;
  }

  private endUnreadable(position: number, { key }: RawFile, { number }: CutLine): void {
    this.set(
      position,
      lineState.failed,
      ownCode.unreadable,
      `The request was run, and its answer cannot be read: its bytes are row ${number} of ${key} in the store.`,
      TryUse.Attempt,
    );
  }

  /** Lines that would go again may have an answer in a file that cannot be read: they stand as if they had no row. */
  forgetRetries(): void {
    for (let position = 0; position < this.states.length; position += 1) {
      if (this.states[position] !== lineState.again) continue;
      this.states[position] = lineState.none;
      this.errors.delete(position);
    }
  }

  /** Gives every line without a row its fate, then applies the line's budget of attempts. */
  settleRest(): void {
    if (this.ended.status === BatchStatus.Failed) this.settleRefused();
    for (let position = 0; position < this.states.length; position += 1) {
      if (this.states[position] !== lineState.none) continue;
      if (this.ended.missing === 'cancelled') {
        this.states[position] = lineState.cancelled;
      } else if (this.ended.missing === 'unavailable') {
        this.set(
          position,
          lineState.failed,
          ownCode.unavailable,
          'The batch ended, but the API never offered this answer or deleted it.',
          TryUse.Attempt,
        );
      } else if (this.ended.status === BatchStatus.Completed) {
        this.set(
          position,
          lineState.again,
          ownCode.missing,
          'The batch completed without a row for this line.',
          TryUse.Attempt,
        );
      } else {
        this.set(
          position,
          lineState.again,
          `batch_${this.ended.status}`,
          `The batch ended ${this.ended.status} before this line ran.`,
          TryUse.Idle,
        );
      }
    }
    for (const [position, { use }] of this.errors) {
      if (this.states[position] !== lineState.again) continue;
      const history = this.lines.historyOf(this.lines.numbers[position]!);
      if (!afterTry(history, use, this.ended.attempts).again) this.states[position] = lineState.failed;
    }
  }

  /**
   * A batch that was refused as a whole: the lines it names fail, the others go again. Where it names none, all go again,
   * once as they are and then in pieces (`pack-retries.ts`), until the line that is at fault stands alone.
   */
  private settleRefused(): void {
    if (this.states.some((state) => state !== lineState.none)) return; // it has rows: it ran
    const { refused, attempts } = this.ended;
    const named = this.namedByRefusal();
    for (const [position, { code, message }] of named)
      this.set(position, lineState.failed, code, message, TryUse.Attempt);
    if (this.ended.missing !== 'retry') return;
    const { code, message } = refused.find(({ line }) => line === null) ??
      refused[0] ?? {
        code: 'batch_failed',
        message: 'The API refused the batch as a whole and did not say why.',
      };
    this.refusal = { code, message, named: named.size };
    if (named.size === 0 && this.states.length === 1 && this.refusals > 0) {
      this.set(0, lineState.failed, code, message, TryUse.Attempt);
      return;
    }
    for (let position = 0; position < this.states.length; position += 1) {
      if (this.states[position] !== lineState.none) continue;
      if (named.size > 0) {
        const others = 'The API refused the batch for other lines of it.';
        this.set(position, lineState.again, 'batch_failed', others, TryUse.Nothing);
        continue;
      }
      // The reason may pass: the first try uses an attempt where the line has another one.
      const history = this.lines.historyOf(this.lines.numbers[position]!);
      const isFirst = this.refusals === 0 && afterTry(history, TryUse.Attempt, attempts).again;
      this.set(position, lineState.again, code, message, isFirst ? TryUse.Attempt : TryUse.Nothing);
    }
  }

  /** How many lines have no row yet. */
  get missing(): number {
    let count = 0;
    for (const state of this.states) if (state === lineState.none) count += 1;
    return count;
  }

  outcome(): ShardOutcome {
    const again: CarriedLine[] = [];
    let answered = 0;
    let failed = 0;
    for (let position = 0; position < this.states.length; position += 1) {
      const state = this.states[position];
      if (state === lineState.answered) answered += 1;
      else if (state === lineState.failed) failed += 1;
      else if (state === lineState.again) {
        const line = this.lines.numbers[position]!;
        const { use } = this.errors.get(position)!;
        again.push(toCarriedLine(line, afterTry(this.lines.historyOf(line), use, this.ended.attempts)));
      }
    }
    const unpriced = this.paid.unpriced + this.twice.unpriced;
    const accountRefused = this.accountRefused();
    return {
      answered,
      failed,
      again,
      ...this.paid.tokens(),
      ...(unpriced === 0 ? {} : { unpriced }),
      ...this.errorsByCode(),
      ...(this.twice.isEmpty ? {} : { twice: this.twice.asTwice() }),
      ...(accountRefused === null ? {} : { accountRefused }),
      ...(this.refusal === null ? {} : { refusal: this.refusal }),
    };
  }

  private accountRefused(): Required<ShardOutcome>['accountRefused'] | null {
    if (this.refusal !== null) return null; // a refused batch has no rows
    let code: string | null = null;
    let lines = 0;
    for (const error of this.errors.values()) {
      if (error.use !== TryUse.Nothing) continue;
      code ??= plainCode(error.code);
      lines += 1;
    }
    return code === null ? null : { code, lines };
  }

  private errorsByCode(): Required<Pick<ShardOutcome, 'errors' | 'examples'>> {
    // Codes come from outside: in a plain object `constructor` would be there before it is counted.
    const found = new Map<string, number[]>();
    for (const [position, { code }] of this.errors) {
      const name = plainCode(code);
      const positions = found.get(name);
      if (positions === undefined) found.set(name, [position]);
      else positions.push(position);
    }
    const entries = [...found];
    const linesOf = (positions: readonly number[]): number[] =>
      firstOf(positions).map((position) => this.lines.numbers[position]!);
    return {
      errors: Object.fromEntries(entries.map(([name, positions]) => [name, positions.length])),
      examples: Object.fromEntries(entries.map(([name, positions]) => [name, linesOf(positions)])),
    };
  }

  private set(position: number, next: number, code: string, message: string, use: TryUse): void {
    this.states[position] = next;
    this.errors.set(position, { code, message, use });
  }

  private namedByRefusal(): Map<number, BatchErrorEntry> {
    const named = new Map<number, BatchErrorEntry>();
    for (const entry of this.ended.refused) {
      if (entry.line !== null && entry.line >= 1 && entry.line <= this.states.length)
        named.set(entry.line - 1, entry);
    }
    return named;
  }
}

/** Counts the answers to a shard's lines in an output file of which none can be used. */
export function countAnswersIn(lines: ShardLines, path: string, rates?: ModelRates | null): PaidTwice {
  const sum = new PaidSum(rates);
  eachRow(lines, path, (_position, row) => sum.add(row, meaningOf(row)));
  return sum.asTwice();
}

/** The rows of a file that belong to lines of the shard. */
function eachRow(
  lines: ShardLines,
  path: string,
  onRow: (position: number, row: ReadRow, cut: CutLine, block: Buffer) => void,
): void {
  const reader = new ResultRowReader();
  cutLines(path, MAX_ROW_BYTES, (block, cut) => {
    if (cut.overlong) return;
    reader.readLine(block, cut.start, cut.end, cut.utf8, (row) => {
      const position = row.line === null ? -1 : lines.positionOf(row.line);
      if (position !== -1) onRow(position, row, cut, block);
    });
  });
}

/** Adds up rows that were paid. */
class PaidSum {
  private answers = 0;
  private input = 0;
  private cached = 0;
  private output = 0;
  private readonly sum: TokenSum;
  private readonly isPriced: boolean;

  constructor(rates: ModelRates | null | undefined) {
    this.sum = new TokenSum(rates ?? null);
    this.isPriced = rates !== undefined;
  }

  /** Every row with usage was paid, whatever follows for its line; of an answer without usage it is not known how much. */
  add({ usage }: ReadRow, meaning: RowMeaning): void {
    if (meaning === RowMeaning.Answered) this.answers += 1;
    if (usage.state === UsageState.Absent) {
      if (meaning === RowMeaning.Answered || meaning === RowMeaning.Unreadable) this.sum.addUnknown();
      return;
    }
    const { tokens, hasRareKinds } = usage;
    this.input += tokens.input;
    this.cached += tokens.cached;
    this.output += tokens.output;
    if (usage.state === UsageState.Known) this.sum.add(tokens, hasRareKinds);
    else this.sum.addUnknown();
  }

  get isEmpty(): boolean {
    return this.answers === 0 && this.input === 0 && this.output === 0 && this.sum.unpriced === 0;
  }

  get unpriced(): number {
    return this.sum.unpriced;
  }

  tokens(): { inputTokens: number; cachedTokens: number; outputTokens: number; cost?: Cost } {
    const { input: inputTokens, cached: cachedTokens, output: outputTokens } = this;
    return { inputTokens, cachedTokens, outputTokens, ...(this.isPriced ? { cost: this.sum.cost() } : {}) };
  }

  asTwice(): PaidTwice {
    return { answers: this.answers, ...this.tokens() };
  }
}

function useOf(meaning: RowMeaning): TryUse {
  if (meaning === RowMeaning.AccountRefused) return TryUse.Nothing;
  return meaning === RowMeaning.RetryFree ? TryUse.Idle : TryUse.Attempt;
}

function codeOf({ errorCode, statusCode }: ReadRow): string {
  return errorCode ?? (statusCode === null ? 'unknown' : `http_${statusCode}`);
}

/** The smallest few: errors are known in the order in which they were found. */
function firstOf(positions: readonly number[]): number[] {
  return Array.from(positions)
    .sort((a, b) => a - b)
    .slice(0, EXAMPLES_KEPT);
}
