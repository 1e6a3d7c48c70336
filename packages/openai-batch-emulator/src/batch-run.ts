import { BatchExecutor } from './batch-executor.ts';
import { batchFault, BatchStatus, isTerminal } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Clock } from './clock.ts';
import type { FaultBook } from './fault-book.ts';
import type { ResultFiles } from './fault-rule.ts';
import { DEFAULT_BATCH_FILE_SECONDS, shownBytes } from './file-shelf.ts';
import type { FileShelf } from './file-shelf.ts';
import type { Ledger } from './ledger.ts';
import { indexBlocks } from './line-blocks.ts';
import type { LineBlock } from './line-blocks.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import type { UnrunCode } from './result-row.ts';
import type { Gate } from './turn-taking.ts';
import { validateBatch } from './validate-batch.ts';
import type { Verdict } from './validate-batch.ts';

/** What the life of a batch touches. */
export interface BatchSurroundings {
  options: ResolvedEmulatorOptions;
  clock: Clock;
  faults: FaultBook;
  shelf: FileShelf;
  ledger: Ledger;
  /** True once the emulator closes: every loop stops where it is. */
  isClosing(): boolean;
  /** Lets few batches work at a time. */
  gate: Gate;
  executionLogPath(batchId: string): string;
  /** Prompt tokens of this model in other batches that count against the limit for this one. */
  enqueuedTokens(model: string, forBatch: BatchRecord): number;
  save(record: BatchRecord): void;
}

/**
 * The life of one batch, one method a status. Each method does the status' work, waits for its time, and moves the
 * batch on, unless a cancel has moved it meanwhile: after every await the status is looked at anew.
 */
export class BatchRun {
  readonly #record: BatchRecord;
  readonly #around: BatchSurroundings;
  #verdict: Verdict | undefined;
  #blocks: LineBlock[] | undefined;
  #executor: BatchExecutor | undefined;
  #holdsInput = false;
  #wake = new AbortController();
  /** The end the batch is being brought to; from here on a cancel comes too late. */
  #endingAs: BatchStatus | undefined;

  constructor(record: BatchRecord, around: BatchSurroundings) {
    this.#record = record;
    this.#around = around;
  }

  get endingAs(): BatchStatus | undefined {
    return this.#endingAs;
  }

  /** Lives the batch to its end, or until the emulator closes. */
  async live(): Promise<void> {
    try {
      if (this.#around.shelf.find(this.#record.inputFileId) || this.#record.validated) {
        this.#around.shelf.hold(this.#record.inputFileId);
        this.#holdsInput = true;
      }
      while (!isTerminal(this.#record.status) && !this.#closing) await this.#liveStatus();
    } catch (error) {
      if (!this.#closing)
        this.#fail([{ code: 'server_error', message: String(error), param: null, line: null }]);
    } finally {
      await this.#executor?.close();
      if (this.#holdsInput) await this.#around.shelf.release(this.#record.inputFileId);
    }
  }

  /** Moves the batch to cancelling; the caller has made sure that it may be. */
  cancel(): void {
    this.#enter(BatchStatus.cancelling);
    this.wake();
  }

  /** Ends the sleep the batch is in, so that it looks at its status anew. */
  wake(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  async #liveStatus(): Promise<void> {
    switch (this.#record.status) {
      case BatchStatus.validating:
        return this.#validate();
      case BatchStatus.inProgress:
        return this.#execute();
      case BatchStatus.finalizing:
        return this.#finalize();
      case BatchStatus.cancelling:
        return this.#cancelled();
      case BatchStatus.failed:
      case BatchStatus.completed:
      case BatchStatus.expired:
      case BatchStatus.cancelled:
        return;
      default:
        this.#record.status satisfies never;
    }
  }

  async #validate(): Promise<void> {
    const { gate } = this.#around;
    this.#verdict ??= await gate(() => this.#readInput());
    if (this.#verdict?.errors === null) {
      this.#record.validated = this.#verdict.input;
      this.#blocks = this.#verdict.blocks;
    }
    await this.#sleepUntil(this.#endOfStatus());
    if (!this.#isStill(BatchStatus.validating) || !this.#verdict) return;
    if (this.#windowClosed) return this.#end(BatchStatus.expired);
    // A fault may keep the batch here although its verdict is known.
    if (this.#around.clock.now() < this.#endOfStatus()) return;

    const planned = batchFault(this.#record, 'fail');
    if (planned)
      return this.#fail(
        planned.errors.map(({ line = null, param = null, ...rest }) => ({ ...rest, param, line })),
      );
    if (this.#verdict.errors) {
      const named = !batchFault(this.#record, 'errors_without_line');
      return this.#fail(
        named ? this.#verdict.errors : this.#verdict.errors.map((error) => ({ ...error, line: null })),
      );
    }
    const refusal = this.#tokenLimitRefusal(this.#verdict.input.model, this.#verdict.input.promptTokens);
    if (refusal !== undefined)
      return this.#fail([{ code: 'token_limit_exceeded', message: refusal, param: null, line: null }]);
    if (batchFault(this.#record, 'early_file_ids')) this.#publish('both');
    this.#enter(BatchStatus.inProgress);
  }

  async #readInput(): Promise<Verdict | undefined> {
    const { shelf, options } = this.#around;
    const { inputFileId, endpoint } = this.#record;
    const file = shelf.find(inputFileId);
    if (!file && !this.#holdsInput)
      return {
        errors: [
          {
            code: 'invalid_request',
            message: `Cannot find file ${inputFileId}, or organization ${ORGANIZATION} does not have access to it.`,
            param: 'file_id',
            line: null,
          },
        ],
      };
    if (file && file.purpose !== 'batch')
      return {
        errors: [
          {
            code: 'invalid_request',
            message: `File ${inputFileId} has the purpose '${file.purpose}'; the Batch API takes files with the purpose 'batch'.`,
            param: 'file_id',
            line: null,
          },
        ],
      };
    return validateBatch(
      shelf.pathOf(inputFileId),
      file?.bytes ?? 0,
      endpoint,
      {
        ...options,
        maxReportedErrors: batchFault(this.#record, 'capped_errors')?.most ?? options.maxReportedErrors,
      },
      () => !this.#isStill(BatchStatus.validating),
    );
  }

  #tokenLimitRefusal(model: string, promptTokens: number): string | undefined {
    const { enqueuedTokenLimit } = this.#around.options;
    const limit = enqueuedTokenLimit[model] ?? enqueuedTokenLimit['*'];
    if (limit === undefined) return undefined;
    if (this.#around.enqueuedTokens(model, this.#record) + promptTokens <= limit) return undefined;
    return `Enqueued token limit reached for ${model} in organization ${ORGANIZATION}. Limit: ${limit.toLocaleString('en-US')} enqueued tokens. Please try again once some in_progress batches have been completed.`;
  }

  async #execute(): Promise<void> {
    const record = this.#record;
    const { gate } = this.#around;
    const executor = await this.#openExecutor();
    const stop = (): boolean => !this.#isStill(BatchStatus.inProgress) || this.#windowClosed;
    while (!stop()) {
      const cap = this.#cap();
      const target = Math.min(cap, this.#paced());
      if (target > record.progress.position) await gate(() => executor.advanceTo(target, stop));
      else if (record.progress.position < cap) await this.#sleepUntil(this.#nextPace());
      else if (this.#strikesHere('expire')) return this.#end(BatchStatus.expired);
      else if (this.#strikesHere('cancel')) return this.cancel();
      else if (this.#stuckUntil() > this.#around.clock.now()) await this.#sleepUntil(this.#stuckUntil());
      else return this.#enter(BatchStatus.finalizing);
    }
    if (this.#isStill(BatchStatus.inProgress) && this.#windowClosed) await this.#end(BatchStatus.expired);
  }

  async #finalize(): Promise<void> {
    await this.#sleepUntil(this.#endOfStatus());
    if (!this.#isStill(BatchStatus.finalizing)) return;
    if (this.#windowClosed) return this.#end(BatchStatus.expired);
    if (this.#around.clock.now() >= this.#endOfStatus()) await this.#end(BatchStatus.completed);
  }

  async #cancelled(): Promise<void> {
    const until = this.#endOfStatus();
    await this.#around.clock.sleepUntil(until, this.#wake.signal);
    if (this.#isStill(BatchStatus.cancelling) && this.#around.clock.now() >= until)
      await this.#end(BatchStatus.cancelled);
  }

  /** Writes what is still to be written and shows the files. Nothing but the emulator's closing stops it any more. */
  async #end(status: EndedWithFiles): Promise<void> {
    this.#endingAs = status;
    const unfinished = UNFINISHED[status];
    if (this.#record.validated && this.#record.enteredAtMs[BatchStatus.inProgress] !== undefined) {
      const executor = await this.#openExecutor();
      await this.#around.gate(async () => {
        if (unfinished) await executor.fillUnfinished(unfinished, () => this.#closing);
        await executor.finish();
      }, 'next');
      if (this.#closing) return;
      this.#record.hasOutput = executor.outputBytes > 0;
      this.#record.hasErrors =
        executor.errorBytes > 0 || batchFault(this.#record, 'empty_error_file') !== undefined;
      this.#publish('filled');
    }
    this.#enter(status);
  }

  #publish(which: 'both' | 'filled'): void {
    const { shelf, clock } = this.#around;
    const record = this.#record;
    const now = clock.now();
    const cut = batchFault(record, 'no_last_newline') ? 1 : 0;
    const gone = batchFault(record, 'output_gone');
    const wrongBytes = batchFault(record, 'bytes');
    const refused = batchFault(record, 'content_refused');
    const content = batchFault(record, 'content');
    const strikes = (fault: { files?: ResultFiles | undefined } | undefined, kind: ResultFiles): boolean =>
      which === 'filled' && fault !== undefined && ['both', kind].includes(fault.files ?? 'output');
    const life = record.outputExpiresAfterSeconds ?? DEFAULT_BATCH_FILE_SECONDS;
    for (const kind of ['output', 'error'] as const) {
      const filled = kind === 'output' ? record.hasOutput : record.hasErrors;
      if (which === 'filled' && !filled && !batchFault(record, 'early_file_ids')) continue;
      const size = kind === 'output' ? this.#executor?.outputBytes : this.#executor?.errorBytes;
      const lifeMs =
        (gone && which === 'filled' && (kind === 'output' || gone.files === 'both')
          ? (gone.afterSeconds ?? 0)
          : life) * 1000;
      const id = kind === 'output' ? record.outputFileId : record.errorFileId;
      const bytes = Math.max(0, (size ?? 0) - cut);
      shelf.put({
        id,
        bytes,
        createdAtMs: now,
        expiresAtMs: now + lifeMs,
        filename: `${record.id}_${kind}.jsonl`,
        purpose: 'batch_output',
        deleted: which === 'filled' && !filled,
        readWhole: false,
        hiddenUntilMs: 0,
        shownBytes: strikes(wrongBytes, kind) ? shownBytes(wrongBytes, bytes) : undefined,
        refused: strikes(refused, kind) ? refused : undefined,
        standIn:
          content && strikes(content, kind)
            ? {
                as: content.as,
                untilMs: content.seconds === undefined ? null : now + content.seconds * 1000,
                readsLeft: content.reads ?? null,
              }
            : undefined,
      });
    }
  }

  #fail(errors: NonNullable<BatchRecord['errors']>): void {
    this.#record.errors = errors;
    this.#enter(BatchStatus.failed);
  }

  #enter(status: BatchStatus): void {
    this.#record.status = status;
    this.#record.enteredAtMs[status] = this.#around.clock.now();
    this.#around.save(this.#record);
  }

  async #openExecutor(): Promise<BatchExecutor> {
    const { shelf, options, clock, faults, ledger } = this.#around;
    const record = this.#record;
    const inputPath = shelf.pathOf(record.inputFileId);
    if (!record.validated) throw new Error(`Batch ${record.id} is executed before it was validated.`);
    this.#blocks ??= await indexBlocks(inputPath);
    this.#executor ??= await BatchExecutor.open({
      record,
      input: record.validated,
      blocks: this.#blocks,
      inputPath,
      outputPath: shelf.pathOf(record.outputFileId),
      errorPath: shelf.pathOf(record.errorFileId),
      logPath: this.#around.executionLogPath(record.id),
      seed: options.seed,
      contextTokens: options.contextTokens,
      clock,
      faults,
      ledger,
      onCheckpoint: () => this.#around.save(record),
    });
    return this.#executor;
  }

  /** How many lines may be done before a fault stops the batch. */
  #cap(): number {
    const lines = this.#record.validated?.lines ?? 0;
    const stuck =
      this.#stuckUntil() > this.#around.clock.now() ? batchFault(this.#record, 'stuck') : undefined;
    const fractions = [
      batchFault(this.#record, 'expire')?.afterFraction,
      batchFault(this.#record, 'cancel')?.afterFraction,
      stuck && (stuck.afterFraction ?? 0),
    ];
    return fractions.reduce<number>((cap, part) => Math.min(cap, Math.floor(lines * (part ?? 1))), lines);
  }

  #strikesHere(kind: 'expire' | 'cancel'): boolean {
    const fault = batchFault(this.#record, kind);
    const lines = this.#record.validated?.lines ?? 0;
    return fault !== undefined && this.#record.progress.position >= Math.floor(lines * fault.afterFraction);
  }

  /** How many lines should be done by now, were nothing in the way. */
  #paced(): number {
    const lines = this.#record.validated?.lines ?? 0;
    const totalMs = this.#executionMs();
    if (totalMs <= 0) return lines;
    const passedMs = this.#around.clock.now() - this.#enteredAt(BatchStatus.inProgress);
    return Math.min(lines, Math.floor((lines * passedMs) / totalMs));
  }

  /** When the next twentieth of the lines is due: often enough to be seen moving, seldom enough to be free. */
  #nextPace(): number {
    const lines = this.#record.validated?.lines ?? 0;
    const next = Math.min(lines, this.#record.progress.position + Math.max(1, Math.ceil(lines / 20)));
    return this.#enteredAt(BatchStatus.inProgress) + Math.ceil((this.#executionMs() * next) / lines);
  }

  #executionMs(): number {
    const { lifecycle, speed } = this.#around.options;
    if (lifecycle.mode === 'instant') return 0;
    return (lifecycle.inProgressMs + lifecycle.perLineMs * (this.#record.validated?.lines ?? 0)) / speed;
  }

  /** When the status the batch is in is over, be it for its duration or for a fault. */
  #endOfStatus(): number {
    const { lifecycle, speed } = this.#around.options;
    const { status } = this.#record;
    const durations: Partial<Record<BatchStatus, number>> = {
      [BatchStatus.validating]: lifecycle.validatingMs,
      [BatchStatus.finalizing]: lifecycle.finalizingMs,
      [BatchStatus.cancelling]: lifecycle.cancellingMs,
    };
    const durationMs = lifecycle.mode === 'instant' ? 0 : (durations[status] ?? 0) / speed;
    return Math.max(this.#enteredAt(status) + durationMs, this.#stuckUntil());
  }

  #stuckUntil(): number {
    const { status } = this.#record;
    const stuck = this.#record.faults.find((fault) => fault.kind === 'stuck' && fault.status === status);
    if (stuck?.kind !== 'stuck') return 0;
    return stuck.seconds === undefined
      ? Number.POSITIVE_INFINITY
      : this.#enteredAt(status) + stuck.seconds * 1000;
  }

  /** Sleeps to a time or to the closing of the window, whichever comes first; a cancel ends the sleep. */
  #sleepUntil(atMs: number): Promise<void> {
    return this.#around.clock.sleepUntil(Math.min(atMs, this.#windowEndMs), this.#wake.signal);
  }

  get #windowEndMs(): number {
    return batchFault(this.#record, 'never_expires') ? Number.POSITIVE_INFINITY : this.#record.expiresAtMs;
  }

  get #windowClosed(): boolean {
    return this.#around.clock.now() >= this.#windowEndMs;
  }

  get #closing(): boolean {
    return this.#around.isClosing();
  }

  #isStill(status: BatchStatus): boolean {
    return this.#record.status === status && !this.#closing;
  }

  #enteredAt(status: BatchStatus): number {
    return this.#record.enteredAtMs[status] ?? this.#record.createdAtMs;
  }
}

/** Names the account in messages that name it. */
const ORGANIZATION = 'org-emulator';

type EndedWithFiles = 'completed' | 'expired' | 'cancelled';

/** What is written for lines that were not reached. */
const UNFINISHED: Readonly<Record<EndedWithFiles, UnrunCode | undefined>> = {
  completed: undefined,
  expired: 'batch_expired',
  cancelled: 'batch_cancelled',
};
