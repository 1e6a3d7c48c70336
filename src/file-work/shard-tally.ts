import { BatchStatus, type BatchErrorEntry } from '../core/batch-status.ts';
import { afterTry, classifyRow, plainCode, TryUse, Verdict } from '../core/result-line.ts';
import {
  EXAMPLES_KEPT,
  toCarriedLine,
  type CarriedLine,
  type PaidTwice,
  type ShardLines,
  type ShardOutcome,
  type WholeRefusal,
} from '../core/shard-plan.ts';
import { cutLines, type CutLine } from './cut-lines.ts';
import { ResultRowReader, type ReadRow } from './read-result-row.ts';

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
  /** What becomes of lines without a row: `ask` decides nothing, so that the caller can read the files again. */
  readonly missing: 'ask' | 'retry' | 'unavailable' | 'cancelled';
  readonly attempts: number;
  /** Batches created on top of this one whose output is in the store: what they answered counts where this one has no answer. */
  readonly duplicates?: readonly string[];
  /** True when one of them has answered lines and its output cannot be read: each line without an answer may be paid. */
  readonly lostDuplicate?: boolean;
}

/** Rows longer than this are not read as rows: no answer of the API comes near. */
const MAX_ROW_BYTES = 512 << 20;

/** Lines of an ended batch that have no row in its files. */
export interface MissingRows {
  readonly missing: number;
  /** True when the output file is there and names a line of the shard: else it is unreadable, empty or absent. */
  readonly outputRead: boolean;
  /** The same of the error file. */
  readonly errorsRead: boolean;
}

/** How a line stands while its shard's files are read. */
export const lineState = { none: 0, answered: 1, failed: 2, again: 3, cancelled: 4 } as const;

/** Error codes that we write ourselves. */
const ownCode = {
  missing: 'missing_row',
  unavailable: 'answer_unavailable',
  cancelled: 'cancelled',
} as const;

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
  /** Bodies that had to be written anew because they did not stand in the row as JSON. */
  readonly rewritten: Map<number, Buffer> = new Map();
  readonly errors: Map<number, { code: string; message: string; use: TryUse }> = new Map();
  private cached = 0;
  private twice: Writable<PaidTwice> | null = null;
  private readonly ended: EndedShard;
  private readonly refusals: number;
  private refusal: WholeRefusal | null = null;

  /** `refusals`: how often in a row batches of these lines were refused as a whole before. */
  constructor(lines: ShardLines, ended: EndedShard, refusals: number = 0) {
    const count = lines.numbers.length;
    this.lines = lines;
    this.ended = ended;
    this.refusals = refusals;
    this.states = new Uint8Array(count);
    this.file = new Uint8Array(count);
    this.offset = new Float64Array(count);
    this.length = new Uint32Array(count);
    this.input = new Uint32Array(count);
    this.output = new Uint32Array(count);
  }

  /** Reads a file of the batch; returns whether it names a line of the shard. */
  readFile(path: string, which: number): boolean {
    return eachRow(this.lines, path, (position, row, cut) => {
      if (this.states[position] === lineState.answered) return; // the first success wins
      const verdict = cut.utf8 ? classifyRow(row) : Verdict.Retry;
      if (verdict === Verdict.Answered) {
        this.take(position, row, cut, which);
      } else {
        this.states[position] = verdict === Verdict.Failed ? lineState.failed : lineState.again;
        this.errors.set(position, {
          code: row.errorCode ?? (row.statusCode === null ? 'unknown' : `http_${row.statusCode}`),
          message: row.errorMessage ?? `The request ended with HTTP status ${row.statusCode ?? 'unknown'}.`,
          use: verdict === Verdict.RetryFree ? TryUse.Idle : TryUse.Attempt,
        });
      }
    });
  }

  /** Takes answers that the shard's own batch does not have, and counts those that it has. */
  readDuplicate(path: string, which: number): void {
    eachRow(this.lines, path, (position, row, cut) => {
      if (!cut.utf8 || classifyRow(row) !== Verdict.Answered) return;
      if (this.states[position] !== lineState.answered) {
        this.take(position, row, cut, which);
        return;
      }
      this.twice ??= { answers: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
      addRow(this.twice, row);
    });
  }

  private take(position: number, row: ReadRow, cut: CutLine, which: number): void {
    this.states[position] = lineState.answered;
    this.errors.delete(position);
    this.file[position] = which;
    if (row.rewrittenBody === null) {
      this.offset[position] = cut.fileOffset + (row.bodyStart - cut.start);
      this.length[position] = row.bodyEnd - row.bodyStart;
    } else {
      this.rewritten.set(position, row.rewrittenBody);
    }
    this.input[position] = row.inputTokens;
    this.output[position] = row.outputTokens;
    this.cached += row.cachedTokens;
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
    if (this.ended.status === BatchStatus.Failed && this.ended.missing === 'retry') this.settleRefused();
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

  outcome(): ShardOutcome {
    const again: CarriedLine[] = [];
    let answered = 0;
    let failed = 0;
    let inputTokens = 0;
    let outputTokens = 0;
    for (let position = 0; position < this.states.length; position += 1) {
      inputTokens += this.input[position]!;
      outputTokens += this.output[position]!;
      if (this.states[position] === lineState.answered) answered += 1;
      else if (this.states[position] === lineState.failed) failed += 1;
      else if (this.states[position] === lineState.again) {
        const line = this.lines.numbers[position]!;
        const next = afterTry(
          this.lines.historyOf(line),
          this.errors.get(position)!.use,
          this.ended.attempts,
        );
        again.push(toCarriedLine(line, next));
      }
    }
    const counts = {
      answered,
      failed,
      again,
      inputTokens,
      cachedTokens: this.cached,
      outputTokens,
      ...this.errorsByCode(),
      ...(this.refusal === null ? {} : { refusal: this.refusal }),
    };
    return this.twice === null ? counts : { ...counts, twice: this.twice };
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
export function countAnswersIn(lines: ShardLines, path: string): PaidTwice {
  const counts = { answers: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  eachRow(lines, path, (_position, row, cut) => {
    if (cut.utf8 && classifyRow(row) === Verdict.Answered) addRow(counts, row);
  });
  return counts;
}

/** The rows of a file that belong to lines of the shard; returns whether there are any. */
function eachRow(
  lines: ShardLines,
  path: string,
  onRow: (position: number, row: ReadRow, cut: CutLine) => void,
): boolean {
  const reader = new ResultRowReader();
  let isRead = false;
  cutLines(path, MAX_ROW_BYTES, (block, cut) => {
    if (cut.overlong) return;
    const row = reader.read(block, cut.start, cut.end);
    if (row === null) return; // no row that says anything: its line counts as missing
    const position = row.line === null ? -1 : lines.positionOf(row.line);
    if (position === -1) return;
    isRead = true;
    onRow(position, row, cut);
  });
  return isRead;
}

/** The smallest few: errors are known in the order in which they were found. */
function firstOf(positions: readonly number[]): number[] {
  return Array.from(positions)
    .sort((a, b) => a - b)
    .slice(0, EXAMPLES_KEPT);
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function addRow(to: Writable<PaidTwice>, { inputTokens, cachedTokens, outputTokens }: ReadRow): void {
  to.answers += 1;
  to.inputTokens += inputTokens;
  to.cachedTokens += cachedTokens;
  to.outputTokens += outputTokens;
}
