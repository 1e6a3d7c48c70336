import { BatchExecutor } from './batch-executor.ts';
import { batchFault, BatchStatus, isTerminal } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import { BatchTiming } from './batch-timing.ts';
import type { Clock } from './clock.ts';
import type { FaultRegistry } from './fault-registry.ts';
import type { FileStorage } from './file-storage.ts';
import type { Ledger } from './ledger.ts';
import { indexBlocks } from './line-blocks.ts';
import type { LineBlock } from './line-blocks.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import { publishEmptyResultFiles, publishResultFiles } from './result-files.ts';
import type { NotExecutedCode } from './result-row.ts';
import type { ConcurrencyLimiter } from './concurrency-limiter.ts';
import { validateBatch } from './validate-batch.ts';
import type { ValidationResult } from './validate-batch.ts';

/** What the runs of all batches of an account share. */
export interface BatchRunContext {
  options: ResolvedEmulatorOptions;
  clock: Clock;
  faults: FaultRegistry;
  files: FileStorage;
  ledger: Ledger;
  /** True once the emulator closes; every loop stops then. */
  isClosing(): boolean;
  limiter: ConcurrencyLimiter;
  executionLogPath(batchId: string): string;
  /** The prompt tokens of this model in other batches that count against the limit for `forBatch`. */
  enqueuedTokens(model: string, forBatch: BatchRecord): number;
  save(record: BatchRecord): void;
}

/**
 * Runs one batch, with one method for each status. A method does the work of its status, waits for its duration and enters the
 * next status. It checks the status again after each await, because a cancel may have changed it.
 */
export class BatchRun {
  readonly #record: BatchRecord;
  readonly #context: BatchRunContext;
  readonly #timing: BatchTiming;
  #validation: ValidationResult | undefined;
  #blocks: LineBlock[] | undefined;
  #executor: BatchExecutor | undefined;
  #holdsInput = false;
  #wake = new AbortController();
  /** The final status, once the batch is ending: a cancel is refused from then on. */
  #endingAs: BatchStatus | undefined;

  constructor(record: BatchRecord, context: BatchRunContext) {
    this.#record = record;
    this.#context = context;
    this.#timing = new BatchTiming(record, context.options, context.clock);
  }

  get endingAs(): BatchStatus | undefined {
    return this.#endingAs;
  }

  /** Runs the batch to its end, or until the emulator closes. */
  async run(): Promise<void> {
    try {
      if (this.#context.files.find(this.#record.inputFileId) || this.#record.validated) {
        this.#context.files.hold(this.#record.inputFileId);
        this.#holdsInput = true;
      }
      while (!isTerminal(this.#record.status) && !this.#isClosing) await this.#runStatus();
    } catch (error) {
      if (!this.#isClosing)
        this.#fail([{ code: 'server_error', message: String(error), param: null, line: null }]);
    } finally {
      await this.#executor?.close();
      if (this.#holdsInput) await this.#context.files.release(this.#record.inputFileId);
    }
  }

  /** Enters cancelling; the caller has checked that the status allows it. */
  cancel(): void {
    this.#enter(BatchStatus.cancelling);
    this.wake();
  }

  /** Ends the current sleep, so that the batch checks its status again. */
  wake(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  async #runStatus(): Promise<void> {
    switch (this.#record.status) {
      case BatchStatus.validating:
        return this.#validate();
      case BatchStatus.inProgress:
        return this.#execute();
      case BatchStatus.finalizing:
        return this.#finalize();
      case BatchStatus.cancelling:
        return this.#finishCancel();
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
    const { limiter } = this.#context;
    this.#validation ??= await limiter(() => this.#validateInput());
    if (this.#validation?.errors === null) {
      this.#record.validated = this.#validation.input;
      this.#blocks = this.#validation.blocks;
    }
    await this.#sleepUntil(this.#timing.endOfStatusMs);
    if (!this.#isStill(BatchStatus.validating) || !this.#validation) return;
    if (this.#timing.windowClosed) return this.#end(BatchStatus.expired);
    if (!this.#timing.statusIsOver) return;

    const fault = batchFault(this.#record, 'fail');
    if (fault)
      return this.#fail(
        fault.errors.map(({ line = null, param = null, ...rest }) => ({ ...rest, param, line })),
      );
    const { errors } = this.#validation;
    if (errors) {
      const withLines = !batchFault(this.#record, 'errors_without_line');
      return this.#fail(withLines ? errors : errors.map((error) => ({ ...error, line: null })));
    }
    const { model, promptTokens } = this.#validation.input;
    const refusal = this.#tokenLimitRefusal(model, promptTokens);
    if (refusal !== undefined)
      return this.#fail([{ code: 'token_limit_exceeded', message: refusal, param: null, line: null }]);
    if (batchFault(this.#record, 'early_file_ids'))
      publishEmptyResultFiles(this.#record, this.#context.files, this.#context.clock.now());
    this.#enter(BatchStatus.inProgress);
  }

  async #validateInput(): Promise<ValidationResult | undefined> {
    const { files, options } = this.#context;
    const { inputFileId, endpoint } = this.#record;
    const file = files.find(inputFileId);
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
      files.pathOf(inputFileId),
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
    const { enqueuedTokenLimit } = this.#context.options;
    const limit = enqueuedTokenLimit[model] ?? enqueuedTokenLimit['*'];
    if (limit === undefined) return undefined;
    if (this.#context.enqueuedTokens(model, this.#record) + promptTokens <= limit) return undefined;
    return `Enqueued token limit reached for ${model} in organization ${ORGANIZATION}. Limit: ${limit.toLocaleString('en-US')} enqueued tokens. Please try again once some in_progress batches have been completed.`;
  }

  async #execute(): Promise<void> {
    const record = this.#record;
    const timing = this.#timing;
    const executor = await this.#openExecutor();
    const stop = (): boolean => !this.#isStill(BatchStatus.inProgress) || timing.windowClosed;
    while (!stop()) {
      const { maxLines } = timing;
      const target = Math.min(maxLines, timing.linesDue);
      if (target > record.progress.position)
        await this.#context.limiter(() => executor.advanceTo(target, stop));
      else if (record.progress.position < maxLines) await this.#sleepUntil(timing.nextLinesDueMs);
      else if (timing.isDue('expire')) return this.#end(BatchStatus.expired);
      else if (timing.isDue('cancel')) return this.cancel();
      else if (timing.isStuck) await this.#sleepUntil(timing.stuckUntilMs);
      else return this.#enter(BatchStatus.finalizing);
    }
    if (this.#isStill(BatchStatus.inProgress) && timing.windowClosed) await this.#end(BatchStatus.expired);
  }

  async #finalize(): Promise<void> {
    await this.#sleepUntil(this.#timing.endOfStatusMs);
    if (!this.#isStill(BatchStatus.finalizing)) return;
    if (this.#timing.windowClosed) return this.#end(BatchStatus.expired);
    if (this.#timing.statusIsOver) await this.#end(BatchStatus.completed);
  }

  async #finishCancel(): Promise<void> {
    const until = this.#timing.endOfStatusMs;
    await this.#context.clock.sleepUntil(until, this.#wake.signal);
    if (this.#isStill(BatchStatus.cancelling) && this.#context.clock.now() >= until)
      await this.#end(BatchStatus.cancelled);
  }

  /** Writes the remaining rows and publishes the files. Only the closing of the emulator stops this. */
  async #end(status: EndedWithFiles): Promise<void> {
    this.#endingAs = status;
    const code = NOT_EXECUTED_CODES[status];
    if (this.#record.validated && this.#record.enteredAtMs[BatchStatus.inProgress] !== undefined) {
      const executor = await this.#openExecutor();
      await this.#context.limiter(async () => {
        if (code) await executor.writeNotExecuted(code, () => this.#isClosing);
        await executor.writeFaultRows();
      }, 'next');
      if (this.#isClosing) return;
      this.#record.hasOutput = executor.outputBytes > 0;
      this.#record.hasErrors =
        executor.errorBytes > 0 || batchFault(this.#record, 'empty_error_file') !== undefined;
      publishResultFiles(this.#record, this.#context.files, this.#context.clock.now(), {
        output: executor.outputBytes,
        error: executor.errorBytes,
      });
    }
    this.#enter(status);
  }

  #fail(errors: NonNullable<BatchRecord['errors']>): void {
    this.#record.errors = errors;
    this.#enter(BatchStatus.failed);
  }

  #enter(status: BatchStatus): void {
    this.#record.status = status;
    this.#record.enteredAtMs[status] = this.#context.clock.now();
    this.#context.save(this.#record);
  }

  async #openExecutor(): Promise<BatchExecutor> {
    const { files, options, clock, faults, ledger } = this.#context;
    const record = this.#record;
    const inputPath = files.pathOf(record.inputFileId);
    if (!record.validated) throw new Error(`Batch ${record.id} is executed before it is validated.`);
    this.#blocks ??= await indexBlocks(inputPath);
    this.#executor ??= await BatchExecutor.open({
      record,
      input: record.validated,
      blocks: this.#blocks,
      inputPath,
      outputPath: files.pathOf(record.outputFileId),
      errorPath: files.pathOf(record.errorFileId),
      logPath: this.#context.executionLogPath(record.id),
      seed: options.seed,
      contextTokens: options.contextTokens,
      clock,
      faults,
      ledger,
      onCheckpoint: () => this.#context.save(record),
    });
    return this.#executor;
  }

  /** Sleeps until `atMs` or until the window closes, whichever comes first; a cancel ends the sleep. */
  #sleepUntil(atMs: number): Promise<void> {
    return this.#context.clock.sleepUntil(Math.min(atMs, this.#timing.windowEndMs), this.#wake.signal);
  }

  get #isClosing(): boolean {
    return this.#context.isClosing();
  }

  #isStill(status: BatchStatus): boolean {
    return this.#record.status === status && !this.#isClosing;
  }
}

/** The account in error messages. */
const ORGANIZATION = 'org-emulator';

type EndedWithFiles = 'completed' | 'expired' | 'cancelled';

/** The code in the rows of lines that were not executed. */
const NOT_EXECUTED_CODES: Readonly<Record<EndedWithFiles, NotExecutedCode | undefined>> = {
  completed: undefined,
  expired: 'batch_expired',
  cancelled: 'batch_cancelled',
};
