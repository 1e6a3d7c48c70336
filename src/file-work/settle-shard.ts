import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { BatchStatus, type BatchErrorEntry } from '../core/batch-status.ts';
import { afterTry, classifyRow, Verdict } from '../core/result-line.ts';
import { ShardLines, type PaidTwice, type ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { WholeFileWriter } from '../store/whole-file.ts';
import { cutLines, type CutLine } from './cut-lines.ts';
import { ResultRowReader, type ReadRow } from './read-result-row.ts';
import { claimOutcome, readManifest, readOutcome, ShardIds } from './shard-records.ts';

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
   * What becomes of lines without a row when a file that should be there is not: `ask` decides nothing,
   * so that the caller can look again; see `activities/fetch-results.ts`.
   */
  readonly missing: 'ask' | 'retry' | 'unavailable';
  readonly attempts: number;
  /** Batches created on top of this one whose output is in the store: what they answered counts where this one has no answer. */
  readonly duplicates?: readonly string[];
}

/** Rows longer than this are not read as rows: no answer of the API comes near. */
const MAX_ROW_BYTES = 512 << 20;

/** A raw file up to this size is held in memory while its rows are written; larger ones are read row by row. */
const HELD_BYTES = 12 << 20;

const state = { none: 0, answered: 1, failed: 2, again: 3 } as const;

/** Error codes that we write ourselves. */
const ownCode = {
  missing: 'missing_row',
  unavailable: 'answer_unavailable',
  cancelled: 'cancelled',
} as const;

/**
 * Decides for every line of a shard how it ended, and writes the rows of those that did.
 * Running it twice reads the same files and keeps the first outcome.
 * Answers null when `ended.missing` is `ask` and lines have no row.
 */
export function settleShard(folder: string, ended: EndedShard): ShardOutcome | null {
  const { job, shard } = ended;
  const done = readOutcome(folder, job, shard);
  if (done !== null) return done;
  const manifest = readManifest(folder, job, shard);
  const lines = new ShardLines(manifest);
  const tally = new Tally(lines, ended);
  const files = [
    ended.hasOutput ? join(folder, shardFiles.output(job, shard, ended.batch)) : null,
    ended.hasErrors ? join(folder, shardFiles.errors(job, shard, ended.batch)) : null,
  ];
  const batchIds = [ended.batchId, ended.batchId];
  files.forEach((path, which) => {
    if (path !== null) tally.readFile(path, which);
  });
  for (const batchId of ended.duplicates ?? []) {
    const path = join(folder, shardFiles.duplicateOutput(job, shard, ended.batch, batchId));
    tally.readDuplicate(path, files.push(path) - 1);
    batchIds.push(batchId);
  }
  if (ended.missing === 'ask' && tally.states.includes(state.none)) return null;
  tally.settleRest();
  const rows = new RowsWriter(folder, job, shard, new ShardIds(folder, job, shard, manifest));
  rows.write(tally, files, batchIds);
  return claimOutcome(folder, job, shard, tally.outcome());
}

/** Ends every line of a shard that was never sent, after a cancel. */
export function cancelShard(folder: string, job: string, shard: string): ShardOutcome {
  const done = readOutcome(folder, job, shard);
  if (done !== null) return done;
  const manifest = readManifest(folder, job, shard);
  const lines = new ShardLines(manifest);
  const ids = new ShardIds(folder, job, shard, manifest);
  const file = new WholeFileWriter(join(folder, shardFiles.rows(job, shard)));
  lines.numbers.forEach((line, position) => {
    writeRowHead(file, line, ids.at(position));
    file.writeAscii(
      `,"status":"cancelled","attempts":${lines.historyOf(line).sent},"batch_id":null,"response":null,"error":{"code":"cancelled","message":"The job was cancelled before this line had an answer."},"usage":null}\n`,
    );
  });
  file.finish();
  return claimOutcome(folder, job, shard, {
    answered: 0,
    failed: 0,
    again: [],
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    errors: { cancelled: manifest.lines },
  });
}

/** Counts the answers to a shard's lines in an output file, of which none can be used. */
export function countAnswers(folder: string, job: string, shard: string, path: string): PaidTwice {
  const lines = new ShardLines(readManifest(folder, job, shard));
  const counts = { answers: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  eachRow(lines, path, (_position, row, cut) => {
    if (cut.utf8 && classifyRow(row) === Verdict.Answered) addRow(counts, row);
  });
  return counts;
}

/** The rows of a file that belong to lines of the shard. */
function eachRow(
  lines: ShardLines,
  path: string,
  onRow: (position: number, row: ReadRow, cut: CutLine) => void,
): void {
  const reader = new ResultRowReader();
  cutLines(path, MAX_ROW_BYTES, (block, cut) => {
    if (cut.overlong) return;
    const row = reader.read(block, cut.start, cut.end);
    if (row === null) return; // no row that says anything: its line counts as missing
    const position = row.line === null ? -1 : lines.positionOf(row.line);
    if (position !== -1) onRow(position, row, cut);
  });
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function addRow(to: Writable<PaidTwice>, { inputTokens, cachedTokens, outputTokens }: ReadRow): void {
  to.answers += 1;
  to.inputTokens += inputTokens;
  to.cachedTokens += cachedTokens;
  to.outputTokens += outputTokens;
}

/** The index of one shard: for each line what is known, and where its answer stands. */
class Tally {
  readonly lines: ShardLines;
  readonly states: Uint8Array;
  readonly file: Uint8Array;
  readonly offset: Float64Array;
  /** A body is shorter than a row, see `MAX_ROW_BYTES`; tokens of one request are far below 2^32. */
  readonly length: Uint32Array;
  readonly input: Uint32Array;
  readonly output: Uint32Array;
  /** Bodies that had to be written anew because they did not stand in the row as JSON. */
  readonly rewritten = new Map<number, Buffer>();
  readonly errors = new Map<number, { code: string; message: string; counts: boolean }>();
  private cached = 0;
  private twice: Writable<PaidTwice> | null = null;
  private readonly ended: EndedShard;

  constructor(lines: ShardLines, ended: EndedShard) {
    const count = lines.numbers.length;
    this.lines = lines;
    this.ended = ended;
    this.states = new Uint8Array(count);
    this.file = new Uint8Array(count);
    this.offset = new Float64Array(count);
    this.length = new Uint32Array(count);
    this.input = new Uint32Array(count);
    this.output = new Uint32Array(count);
  }

  readFile(path: string, which: number): void {
    eachRow(this.lines, path, (position, row, cut) => {
      if (this.states[position] === state.answered) return; // the first success wins
      const verdict = cut.utf8 ? classifyRow(row) : Verdict.Retry;
      if (verdict === Verdict.Answered) {
        this.take(position, row, cut, which);
      } else {
        this.states[position] = verdict === Verdict.Failed ? state.failed : state.again;
        this.errors.set(position, {
          code: row.errorCode ?? (row.statusCode === null ? 'unknown' : `http_${row.statusCode}`),
          message: row.errorMessage ?? `The request ended with HTTP status ${row.statusCode ?? 'unknown'}.`,
          counts: verdict !== Verdict.RetryFree,
        });
      }
    });
  }

  /** Takes answers that the shard's own batch does not have, and counts those that it has. */
  readDuplicate(path: string, which: number): void {
    eachRow(this.lines, path, (position, row, cut) => {
      if (!cut.utf8 || classifyRow(row) !== Verdict.Answered) return;
      if (this.states[position] !== state.answered) {
        this.take(position, row, cut, which);
        return;
      }
      this.twice ??= { answers: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
      addRow(this.twice, row);
    });
  }

  private take(position: number, row: ReadRow, cut: CutLine, which: number): void {
    this.states[position] = state.answered;
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

  /** Gives every line without a row its fate, then applies the line's budget of attempts. */
  settleRest(): void {
    const named = this.namedByRefusal();
    const whole = this.ended.refused.find(({ line }) => line === null) ?? this.ended.refused[0];
    for (let position = 0; position < this.states.length; position += 1) {
      if (this.states[position] !== state.none) continue;
      const entry = named.get(position) ?? (named.size === 0 ? whole : undefined);
      if (this.ended.status === BatchStatus.Failed && entry !== undefined) {
        this.set(position, state.failed, entry.code, entry.message, true);
      } else if (this.ended.missing === 'unavailable') {
        this.set(
          position,
          state.failed,
          ownCode.unavailable,
          'The batch ended, but the API never offered this answer or deleted it.',
          true,
        );
      } else if (this.ended.status === BatchStatus.Completed) {
        this.set(
          position,
          state.again,
          ownCode.missing,
          'The batch completed without a row for this line.',
          true,
        );
      } else {
        this.set(
          position,
          state.again,
          `batch_${this.ended.status}`,
          `The batch ended ${this.ended.status} before this line ran.`,
          false,
        );
      }
    }
    for (const [position, { counts }] of this.errors) {
      if (this.states[position] !== state.again) continue;
      const history = this.lines.historyOf(this.lines.numbers[position]!);
      if (!afterTry(history, counts, this.ended.attempts).again) this.states[position] = state.failed;
    }
  }

  outcome(): ShardOutcome {
    const again: [number, number, number][] = [];
    let answered = 0;
    let failed = 0;
    let inputTokens = 0;
    let outputTokens = 0;
    for (let position = 0; position < this.states.length; position += 1) {
      inputTokens += this.input[position]!;
      outputTokens += this.output[position]!;
      if (this.states[position] === state.answered) answered += 1;
      else if (this.states[position] === state.failed) failed += 1;
      else {
        const line = this.lines.numbers[position]!;
        const next = afterTry(
          this.lines.historyOf(line),
          this.errors.get(position)!.counts,
          this.ended.attempts,
        );
        again.push([line, next.sent, next.charged]);
      }
    }
    const errors: Record<string, number> = {};
    for (const { code } of this.errors.values()) {
      const name = isPlainCode(code) ? code : 'other';
      errors[name] = (errors[name] ?? 0) + 1;
    }
    const counts = { answered, failed, again, inputTokens, cachedTokens: this.cached, outputTokens, errors };
    return this.twice === null ? counts : { ...counts, twice: this.twice };
  }

  private set(position: number, next: number, code: string, message: string, counts: boolean): void {
    this.states[position] = next;
    this.errors.set(position, { code, message, counts });
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

const beforeLine = Buffer.from('{"line":');
const beforeId = Buffer.from(',"id":');
const quote = Buffer.from('"');
const beforeInput = Buffer.from(',"error":null,"usage":{"input_tokens":');
const beforeOutput = Buffer.from(',"output_tokens":');
const rowTail = Buffer.from('}}\n');

/** A row as far as the line's id: the user's, or the line's number as text. */
function writeRowHead(file: WholeFileWriter, line: number, id: Uint8Array | null): void {
  file.write(beforeLine);
  file.writeNumber(line);
  file.write(beforeId);
  if (id !== null) {
    file.write(id);
    return;
  }
  file.write(quote);
  file.writeNumber(line);
  file.write(quote);
}

/** Outcomes are counted in the report, which holds no text of the API: it may quote a prompt, and some servers put it here. */
function isPlainCode(code: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(code);
}

/** Writes rows in the lines' order, taking each answer's bytes from where they stand in the raw file. */
class RowsWriter {
  private readonly file: WholeFileWriter;
  private readonly ids: ShardIds;
  private readonly scratch = Buffer.allocUnsafe(64 << 10);
  /** Raw files that are small enough to be held: their answers are taken in any order without a read each. */
  private held: (Buffer | null)[] = [];

  constructor(folder: string, job: string, shard: string, ids: ShardIds) {
    this.file = new WholeFileWriter(join(folder, shardFiles.rows(job, shard)));
    this.ids = ids;
  }

  write(tally: Tally, paths: readonly (string | null)[], batchIds: readonly string[]): void {
    const sources = paths.map((path) => (path === null ? null : openSync(path, 'r')));
    this.held = sources.map((source) =>
      source !== null && fstatSync(source).size <= HELD_BYTES ? readFileSync(source) : null,
    );
    const batches = batchIds.map((batchId) => JSON.stringify(batchId));
    const answered = (attempts: number, batch: string): Buffer =>
      Buffer.from(`,"status":"answered","attempts":${attempts},"batch_id":${batch},"response":`);
    const answeredAtOnce = batches.map((batch) => answered(1, batch));
    try {
      for (let position = 0; position < tally.states.length; position += 1) {
        const stateHere = tally.states[position];
        if (stateHere === state.again) continue;
        const line = tally.lines.numbers[position]!;
        writeRowHead(this.file, line, this.ids.at(position));
        const attempts = tally.lines.historyOf(line).sent + 1;
        if (stateHere === state.answered) {
          const which = tally.file[position]!;
          this.file.write(attempts === 1 ? answeredAtOnce[which]! : answered(attempts, batches[which]!));
          this.writeBody(tally, sources, position);
          this.file.write(beforeInput);
          this.file.writeNumber(tally.input[position]!);
          this.file.write(beforeOutput);
          this.file.writeNumber(tally.output[position]!);
          this.file.write(rowTail);
        } else {
          const { code, message } = tally.errors.get(position)!;
          this.file.writeText(
            `,"status":"failed","attempts":${attempts},"batch_id":${batches[0]},"response":null,"error":${JSON.stringify({ code, message })},"usage":null}\n`,
          );
        }
      }
      this.file.finish();
    } catch (error) {
      this.file.abandon();
      throw error;
    } finally {
      for (const source of sources) if (source !== null) closeSync(source);
    }
  }

  private writeBody(tally: Tally, sources: readonly (number | null)[], position: number): void {
    const rewritten = tally.rewritten.get(position);
    if (rewritten !== undefined) {
      this.file.write(rewritten);
      return;
    }
    const source = sources[tally.file[position]!]!;
    let offset = tally.offset[position]!;
    let left = tally.length[position]!;
    const held = this.held[tally.file[position]!] ?? null;
    if (held !== null) {
      this.file.write(held, offset, offset + left);
      return;
    }
    while (left > 0) {
      const read = readSync(source, this.scratch, 0, Math.min(left, this.scratch.length), offset);
      if (read === 0) throw new Error('A raw output file became shorter while it was read.');
      this.file.write(this.scratch, 0, read);
      offset += read;
      left -= read;
    }
  }
}
