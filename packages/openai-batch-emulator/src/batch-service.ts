import { mkdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from './api-error.ts';
import { applyObjectForm, initialState, staleState, toBatchObject } from './batch-object.ts';
import { batchFault, BatchStatus, isTerminal, NO_PROGRESS } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import { BatchRun } from './batch-run.ts';
import { parseBatchCreateParams } from './batch-create-params.ts';
import type { Clock } from './clock.ts';
import type { FaultRegistry } from './fault-registry.ts';
import type { BatchFault } from './faults/batch-fault.ts';
import type { FileStorage } from './file-storage.ts';
import type { Journal } from './journal.ts';
import { Ledger } from './ledger.ts';
import { newBatchId, newFileId } from './object-ids.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import { createConcurrencyLimiter } from './concurrency-limiter.ts';

/** All batches share one thread: with more of them at a time, all would end late instead of most of them early. */
const CONCURRENT_BATCHES = 1;

/** The batches of an account: the calls that create, retrieve, list and cancel them, and their runs. */
export class BatchService {
  readonly ledger: Ledger;
  readonly #folder: string;
  readonly #options: ResolvedEmulatorOptions;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #files: FileStorage;
  readonly #faults: FaultRegistry;
  readonly #onEnd: (record: BatchRecord) => void;
  /** In order of creation. */
  readonly #batches = new Map<string, BatchRecord>();
  readonly #running = new Map<string, { run: BatchRun; ended: Promise<void> }>();
  #limiter = createConcurrencyLimiter(CONCURRENT_BATCHES);
  #closing = false;

  constructor(
    dataDir: string,
    options: ResolvedEmulatorOptions,
    clock: Clock,
    journal: Journal,
    files: FileStorage,
    faults: FaultRegistry,
    onEnd: (record: BatchRecord) => void,
  ) {
    this.#folder = join(dataDir, 'executions');
    this.#options = options;
    this.#clock = clock;
    this.#journal = journal;
    this.#files = files;
    this.#faults = faults;
    this.#onEnd = onEnd;
    this.ledger = new Ledger({
      count: () => this.#batches.size,
      countUnread: () => [...this.#batches.values()].filter((record) => this.#isUnread(record)).length,
      isRead: (batchId) => this.#files.wasRead(this.#batches.get(batchId)?.outputFileId ?? ''),
      executionLogPath: (batchId) => this.#executionLogPath(batchId),
    });
    mkdirSync(this.#folder, { recursive: true });
  }

  restore(record: BatchRecord): void {
    this.#batches.set(record.id, { ...record, progress: { ...record.checkpoint } });
  }

  /** Rebuilds the ledger from the execution logs, then continues every batch that has not ended. */
  async resume(): Promise<void> {
    for (const record of this.#batches.values()) {
      const log = await readFile(this.#executionLogPath(record.id)).catch(() => Buffer.alloc(0));
      this.ledger.restore(record.id, log.subarray(0, record.checkpoint.logBytes));
    }
    for (const record of this.#batches.values()) if (!isTerminal(record.status)) this.#start(record);
  }

  async create(body: Record<string, unknown>, faults: readonly BatchFault[]): Promise<object> {
    const params = parseBatchCreateParams(body);
    this.#assertCreationRate();
    const { refusals } = this.#files;
    const contentKey = (): Promise<string> => this.#files.contentKeyOf(params.inputFileId);
    await refusals.assertNotRefused('create', contentKey);
    const allFaults = [...faults, ...this.#faults.forBatch(params.metadata ?? {})];
    const refusal = allFaults.find((fault) => fault.kind === 'refused');
    if (refusal) throw refusals.refuse('create', await contentKey(), refusal);
    const now = this.#clock.now();
    const record: BatchRecord = {
      id: newBatchId(),
      sequence: this.#batches.size + 1,
      ...params,
      status: BatchStatus.validating,
      createdAtMs: now,
      expiresAtMs: now + (this.#options.windowSeconds * 1000) / this.#options.speed,
      enteredAtMs: { [BatchStatus.validating]: now },
      errors: null,
      validated: null,
      progress: { ...NO_PROGRESS },
      checkpoint: { ...NO_PROGRESS },
      outputFileId: newFileId(),
      errorFileId: newFileId(),
      hasOutput: false,
      hasErrors: false,
      faults: allFaults,
    };
    this.#batches.set(record.id, record);
    this.#save(record);
    this.#start(record);
    return this.#toObject(record);
  }

  retrieve(id: string): object {
    const record = this.#get(id);
    const hidden = batchFault(record, 'not_found');
    if (hidden && this.#clock.now() < record.createdAtMs + hidden.seconds * 1000) throw noSuchBatch(id);
    const object = this.#toObject(record);
    if (batchFault(record, 'moves_when_read')) {
      record.lastRead = object;
      this.#journal.append('batch', id, record);
    }
    return object;
  }

  /** The batches that have ended, in order of creation. */
  ended(): BatchRecord[] {
    return [...this.#batches.values()].filter(({ status }) => isTerminal(status));
  }

  /** The batches in a list, newest first. */
  listed(): BatchRecord[] {
    const now = this.#clock.now();
    return [...this.#batches.values()].toReversed().filter((record) => {
      const hidden = batchFault(record, 'hidden_in_list');
      return !hidden || now >= record.createdAtMs + hidden.seconds * 1000;
    });
  }

  #toObject(record: BatchRecord): object {
    return applyObjectForm(toBatchObject(record, this.#clock.now(), this.#options.absentFileId), record);
  }

  /** The batch object in a list, which is out of date with some faults. */
  toListObject(record: BatchRecord): object {
    if (batchFault(record, 'moves_when_read'))
      return record.lastRead ?? this.#toObject(initialState(record, BatchStatus.validating));
    return this.#toObject(staleState(record, this.#clock.now()) ?? record);
  }

  /** Cancels a running batch. Returns a cancelled one as it is, and refuses one that has ended in another way. */
  cancel(id: string): object {
    const record = this.#get(id);
    const run = this.#running.get(id)?.run;
    const status = run?.endingAs ?? record.status;
    switch (status) {
      case BatchStatus.validating:
      case BatchStatus.inProgress:
      case BatchStatus.finalizing:
        run?.cancel();
        return this.#toObject(record);
      case BatchStatus.cancelling:
      case BatchStatus.cancelled:
        return this.#toObject(record);
      case BatchStatus.completed:
      case BatchStatus.failed:
      case BatchStatus.expired:
        throw new ApiError(409, `Cannot cancel a batch with status '${status}'.`);
      default:
        return status satisfies never;
    }
  }

  /** Stops all runs and waits until they have stopped. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { run } of this.#running.values()) run.wake();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** Stops all runs and removes every batch. */
  async clear(): Promise<void> {
    await this.close();
    this.#closing = false;
    this.#batches.clear();
    this.ledger.clear();
    await rm(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
  }

  #start(record: BatchRecord): void {
    const run = new BatchRun(record, {
      options: this.#options,
      clock: this.#clock,
      faults: this.#faults,
      files: this.#files,
      ledger: this.ledger,
      isClosing: () => this.#closing,
      limiter: this.#limiter,
      executionLogPath: (batchId) => this.#executionLogPath(batchId),
      enqueuedTokens: (model, forBatch) => this.#enqueuedTokens(model, forBatch),
      save: (changed) => this.#save(changed),
    });
    const ended = run.run().finally(() => this.#running.delete(record.id));
    this.#running.set(record.id, { run, ended });
  }

  /** Of the batches in validation only older ones count: if two do not fit together, the first one is accepted. */
  #enqueuedTokens(model: string, forBatch: BatchRecord): number {
    let tokens = 0;
    for (const id of this.#running.keys()) {
      const record = this.#batches.get(id);
      if (!record?.validated || record === forBatch || record.validated.model !== model) continue;
      if (isTerminal(record.status)) continue;
      if (record.status === BatchStatus.validating && record.sequence > forBatch.sequence) continue;
      tokens += record.validated.promptTokens;
    }
    return tokens;
  }

  #assertCreationRate(): void {
    const since = this.#clock.now() - 3_600_000 / this.#options.speed;
    let recent = 0;
    for (const record of this.#batches.values()) if (record.createdAtMs > since) recent++;
    if (recent >= this.#options.batchesPerHour)
      throw new ApiError(
        429,
        `Rate limit reached for batch creation: limit ${this.#options.batchesPerHour} batches per hour. Please try again later.`,
        { code: 'rate_limit_exceeded', headers: { 'retry-after': '60' } },
      );
  }

  #isUnread(record: BatchRecord): boolean {
    return isTerminal(record.status) && record.hasOutput && !this.#files.wasRead(record.outputFileId);
  }

  #get(id: string): BatchRecord {
    const record = this.#batches.get(id);
    if (!record) throw noSuchBatch(id);
    return record;
  }

  #save(record: BatchRecord): void {
    this.#journal.append('batch', record.id, record);
    if (isTerminal(record.status)) this.#onEnd(record);
  }

  #executionLogPath(batchId: string): string {
    return join(this.#folder, batchId);
  }
}

function noSuchBatch(id: string): ApiError {
  return new ApiError(404, `No batch found with id '${id}'.`);
}
