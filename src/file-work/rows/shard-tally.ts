import { AttemptCost } from '../../core/line-attempts.ts';
import type { ShardLines } from '../../core/shard-plan.ts';
import type { ModelRates } from '../../core/token-cost.ts';
import type { ReadRow } from '../../openai/rows/read-result-row.ts';
import { meaningOf, RowMeaning } from '../../openai/rows/row-meaning.ts';
import type { FramedVector } from '../../openai/rows/shared-row.ts';
import type { ShardPacks } from '../records/shard-packs.ts';
import { eachRow, type RequestedLines, type ShardRow } from './each-row.ts';
import { PaidSum } from './paid-sum.ts';
import type { RawFile } from './raw-files.ts';
import type { BodySpillFile } from './body-spill-file.ts';
import type { RowRule, WrongAnswer } from './wrong-answer.ts';

/** The state of a line while its shard's files are read; `wrong`: it has an answer that is not what the job has asked for. */
export const lineState = { none: 0, answered: 1, failed: 2, again: 3, cancelled: 4, wrong: 5 } as const;

/** Why a line has no answer. */
export interface LineError {
  readonly code: string;
  readonly message: string;
  readonly use: AttemptCost;
}

/** Options of `ShardTally`. */
export interface TallyOptions extends RequestedLines {
  /** Stores the bodies that are not plain JSON in a raw file. */
  readonly spare: BodySpillFile;
  /** As in `EndedShard`. */
  readonly rates: ModelRates | null | undefined;
  /** @default `meaningOf` */
  readonly rule?: RowRule | undefined;
  /** Whether the rule reads the texts of answers. @default false */
  readonly findsTexts?: boolean;
}

/** The index of one shard: the state of each line, and the location of its answer, also of a wrong one. */
export class ShardTally {
  readonly lines: ShardLines;
  readonly packs: ShardPacks;
  readonly states: Uint8Array;
  readonly file: Uint8Array;
  readonly offset: Float64Array;
  /** A body is shorter than a row, see `eachRow`; tokens of one request are far below 2^32. */
  readonly length: Uint32Array;
  readonly input: Uint32Array;
  readonly output: Uint32Array;
  /** The vectors among the answers: each is a part of an answer that several lines share. */
  readonly vectors: Map<number, FramedVector> = new Map();
  readonly errors: Map<number, LineError> = new Map();
  readonly spare: BodySpillFile;
  /** The cost of all rows, including those of failed lines. */
  readonly paid: PaidSum;
  /** The cost of answers to lines that had one already. */
  readonly twice: PaidSum;
  private readonly rule: RowRule;
  private readonly findsTexts: boolean;

  constructor({ lines, packs, spare, rates, rule = meaningOf, findsTexts = false }: TallyOptions) {
    const count = lines.numbers.length;
    this.lines = lines;
    this.packs = packs;
    this.spare = spare;
    this.rule = rule;
    this.findsTexts = findsTexts;
    this.states = new Uint8Array(count);
    this.file = new Uint8Array(count);
    this.offset = new Float64Array(count);
    this.length = new Uint32Array(count);
    this.input = new Uint32Array(count);
    this.output = new Uint32Array(count);
    this.paid = new PaidSum(rates);
    this.twice = new PaidSum(rates);
  }

  /** Reads a file of the shard's own batch; returns whether it holds a row of one of the shard's lines. */
  readFile(file: RawFile, which: number): boolean {
    let isRead = false;
    this.eachRow(file, (found) => {
      isRead = true;
      const { position, row } = found;
      const state = this.states[position];
      // The first success wins. A batch runs a line once: a repeated row was not paid again.
      if (state === lineState.answered) return;
      const meaning = this.rule(row);
      if (state === lineState.wrong) {
        if (meaning === RowMeaning.Answered) this.take(found, which);
        return;
      }
      this.paid.add(row, meaning);
      if (meaning === RowMeaning.Answered) this.take(found, which);
      else if (typeof meaning === 'object') this.takeWrong(found, which, meaning);
      else if (meaning === RowMeaning.Unreadable) this.endUnreadable(found, file);
      else if (this.errors.get(position)?.code !== UNREADABLE) {
        const isFinal = meaning === RowMeaning.Failed && !this.packs.isShared(position);
        this.set(position, isFinal ? lineState.failed : lineState.again, errorOf(row, meaning));
      }
    });
    return isRead;
  }

  /** Takes the answers that the shard's own batch lacks, and counts the others. */
  readDuplicate(file: RawFile, which: number): void {
    this.eachRow(file, (found) => {
      const { position, row } = found;
      const meaning = this.rule(row);
      const state = this.states[position];
      if (meaning === RowMeaning.Answered && state !== lineState.answered) {
        this.paid.add(row, meaning);
        this.take(found, which);
        return;
      }
      const isOpen = state === lineState.none || state === lineState.again;
      if (typeof meaning === 'object' && isOpen) {
        this.paid.add(row, meaning);
        this.takeWrong(found, which, meaning);
        return;
      }
      this.twice.add(row, meaning);
      // The line was answered: sent again, it would be paid twice.
      if (meaning === RowMeaning.Unreadable && isOpen) this.endUnreadable(found, file);
    });
  }

  /** Treats lines to be sent again as if they had no row: a file that cannot be read may contain their answer. */
  forgetRetries(): void {
    for (let position = 0; position < this.states.length; position += 1) {
      if (this.states[position] !== lineState.again) continue;
      this.states[position] = lineState.none;
      this.errors.delete(position);
    }
  }

  /** How many lines are in a state. */
  count(state: number): number {
    let count = 0;
    for (const each of this.states) if (each === state) count += 1;
    return count;
  }

  set(position: number, state: number, error: LineError): void {
    this.states[position] = state;
    this.errors.set(position, error);
  }

  private eachRow(file: RawFile, onRow: (found: Readonly<ShardRow>) => void): void {
    eachRow(this, file.path, onRow, this.findsTexts);
  }

  private takeWrong(found: ShardRow, which: number, { code, message }: WrongAnswer): void {
    this.take(found, which);
    this.set(found.position, lineState.wrong, { code, message, use: AttemptCost.Answer });
  }

  private take({ position, row, vector, fileLine, block }: ShardRow, which: number): void {
    const { source, bodyStart, bodyEnd, usage } = row;
    this.states[position] = lineState.answered;
    if (this.errors.size > 0) this.errors.delete(position);
    if (vector !== null) this.vectors.set(position, vector);
    this.file[position] = which;
    if (source === block) {
      this.spare.forget(position); // a wrong answer may have been there
      this.offset[position] = fileLine.fileOffset + (bodyStart - fileLine.start);
    } else {
      this.offset[position] = this.spare.add(position, source, bodyStart, bodyEnd);
    }
    this.length[position] = bodyEnd - bodyStart;
    this.input[position] = usage.tokens.input;
    this.output[position] = usage.tokens.output;
  }

  private endUnreadable({ position, fileLine }: ShardRow, { key }: RawFile): void {
    const message = `The request was run, but its answer cannot be read: its bytes are row ${fileLine.number} of ${key} in the store.`;
    this.set(position, lineState.failed, { code: UNREADABLE, message, use: AttemptCost.Attempt });
  }
}

/** Error code of this package, not of the API. */
const UNREADABLE = 'answer_unreadable';

function errorOf({ errorCode, errorMessage, statusCode }: ReadRow, meaning: RowMeaning): LineError {
  return {
    code: errorCode ?? (statusCode === null ? 'unknown' : `http_${statusCode}`),
    message: errorMessage ?? `The request ended with HTTP status ${statusCode ?? 'unknown'}.`,
    use: useOf(meaning),
  };
}

function useOf(meaning: RowMeaning): AttemptCost {
  if (meaning === RowMeaning.AccountRefused) return AttemptCost.Nothing;
  return meaning === RowMeaning.RetryFree ? AttemptCost.Idle : AttemptCost.Attempt;
}
