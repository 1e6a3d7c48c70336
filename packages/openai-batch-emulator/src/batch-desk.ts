import { mkdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from './api-error.ts';
import {
  asItBegan,
  batchFault,
  BatchStatus,
  inForm,
  isTerminal,
  NO_PROGRESS,
  staleInList,
  toBatchObject,
} from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import { BatchRun } from './batch-run.ts';
import { parseBatchTerms } from './batch-terms.ts';
import type { Clock } from './clock.ts';
import type { FaultBook } from './fault-book.ts';
import type { BatchFault } from './fault-rule.ts';
import type { FileShelf } from './file-shelf.ts';
import type { Journal } from './journal.ts';
import { Ledger } from './ledger.ts';
import { newBatchId, newFileId } from './object-ids.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import { createGate } from './turn-taking.ts';

/** All work shares one thread: more at a time would let every batch end late instead of most of them early. */
const BATCHES_AT_WORK = 1;

/** All batches of the account: the calls that create, show and cancel them, and their running lives. */
export class BatchDesk {
  readonly ledger: Ledger;
  readonly #folder: string;
  readonly #options: ResolvedEmulatorOptions;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #shelf: FileShelf;
  readonly #faults: FaultBook;
  readonly #onEnd: (record: BatchRecord) => void;
  /** In order of creation. */
  readonly #batches = new Map<string, BatchRecord>();
  readonly #lives = new Map<string, { run: BatchRun; ended: Promise<void> }>();
  #gate = createGate(BATCHES_AT_WORK);
  #closing = false;

  constructor(
    dataDir: string,
    options: ResolvedEmulatorOptions,
    clock: Clock,
    journal: Journal,
    shelf: FileShelf,
    faults: FaultBook,
    onEnd: (record: BatchRecord) => void,
  ) {
    this.#folder = join(dataDir, 'executions');
    this.#options = options;
    this.#clock = clock;
    this.#journal = journal;
    this.#shelf = shelf;
    this.#faults = faults;
    this.#onEnd = onEnd;
    this.ledger = new Ledger({
      count: () => this.#batches.size,
      countUnread: () => [...this.#batches.values()].filter((record) => this.#isUnread(record)).length,
      isRead: (batchId) => this.#shelf.wasRead(this.#batches.get(batchId)?.outputFileId ?? ''),
      executionLogPath: (batchId) => this.#executionLogPath(batchId),
    });
    mkdirSync(this.#folder, { recursive: true });
  }

  restore(record: BatchRecord): void {
    this.#batches.set(record.id, { ...record, progress: { ...record.checkpoint } });
  }

  /** Rebuilds the ledger from the execution logs, then takes up every batch that has not ended. */
  async resume(): Promise<void> {
    for (const record of this.#batches.values()) {
      const log = await readFile(this.#executionLogPath(record.id)).catch(() => Buffer.alloc(0));
      this.ledger.restore(record.id, log.subarray(0, record.checkpoint.logBytes));
    }
    for (const record of this.#batches.values()) if (!isTerminal(record.status)) this.#start(record);
  }

  async create(body: Record<string, unknown>, faults: readonly BatchFault[]): Promise<object> {
    const terms = parseBatchTerms(body);
    this.#assertCreationRate();
    const { refused } = this.#shelf;
    const contentKey = (): Promise<string> => this.#shelf.contentKeyOf(terms.inputFileId);
    await refused.assertNot('create', contentKey);
    const struck = [...faults, ...this.#faults.forBatch(terms.metadata ?? {})];
    const refusal = struck.find((fault) => fault.kind === 'refused');
    if (refusal) throw refused.refuse('create', await contentKey(), refusal);
    const now = this.#clock.now();
    const record: BatchRecord = {
      id: newBatchId(),
      sequence: this.#batches.size + 1,
      ...terms,
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
      faults: struck,
    };
    this.#batches.set(record.id, record);
    this.#save(record);
    this.#start(record);
    return this.show(record);
  }

  retrieve(id: string): object {
    const record = this.#get(id);
    const hidden = batchFault(record, 'not_found');
    if (hidden && this.#clock.now() < record.createdAtMs + hidden.seconds * 1000) throw noSuchBatch(id);
    const shown = this.show(record);
    if (batchFault(record, 'moves_when_read')) {
      record.lastRead = shown;
      this.#journal.append('batch', id, record);
    }
    return shown;
  }

  /** The batches that have ended, in order of creation. */
  ended(): BatchRecord[] {
    return [...this.#batches.values()].filter(({ status }) => isTerminal(status));
  }

  /** The batches a list may show, newest first. */
  listed(): BatchRecord[] {
    const now = this.#clock.now();
    return [...this.#batches.values()].toReversed().filter((record) => {
      const hidden = batchFault(record, 'hidden_in_list');
      return !hidden || now >= record.createdAtMs + hidden.seconds * 1000;
    });
  }

  show(record: BatchRecord): object {
    return inForm(toBatchObject(record, this.#clock.now(), this.#options.absentFileId), record);
  }

  /** The batch as a list shows it, which a fault may keep behind. */
  showInList(record: BatchRecord): object {
    if (batchFault(record, 'moves_when_read')) return record.lastRead ?? this.show(asItBegan(record, false));
    return this.show(staleInList(record, this.#clock.now()) ?? record);
  }

  /** Cancels what still runs, repeats the answer for what is cancelled, refuses what has ended otherwise. */
  cancel(id: string): object {
    const record = this.#get(id);
    const run = this.#lives.get(id)?.run;
    const status = run?.endingAs ?? record.status;
    switch (status) {
      case BatchStatus.validating:
      case BatchStatus.inProgress:
      case BatchStatus.finalizing:
        run?.cancel();
        return this.show(record);
      case BatchStatus.cancelling:
      case BatchStatus.cancelled:
        return this.show(record);
      case BatchStatus.completed:
      case BatchStatus.failed:
      case BatchStatus.expired:
        throw new ApiError(409, `Cannot cancel a batch with status '${status}'.`);
      default:
        return status satisfies never;
    }
  }

  /** Stops all work where it is and waits until it has stopped. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { run } of this.#lives.values()) run.wake();
    await Promise.all([...this.#lives.values()].map(({ ended }) => ended));
  }

  /** Forgets every batch; work in progress is stopped first. */
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
      shelf: this.#shelf,
      ledger: this.ledger,
      isClosing: () => this.#closing,
      gate: this.#gate,
      executionLogPath: (batchId) => this.#executionLogPath(batchId),
      enqueuedTokens: (model, forBatch) => this.#enqueuedTokens(model, forBatch),
      save: (changed) => this.#save(changed),
    });
    const ended = run.live().finally(() => this.#lives.delete(record.id));
    this.#lives.set(record.id, { run, ended });
  }

  /** Of batches still validating only older ones count, so that of two that cannot both fit the first gets in. */
  #enqueuedTokens(model: string, forBatch: BatchRecord): number {
    let tokens = 0;
    for (const id of this.#lives.keys()) {
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
    return isTerminal(record.status) && record.hasOutput && !this.#shelf.wasRead(record.outputFileId);
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
