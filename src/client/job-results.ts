import { WorkflowFailedError } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { isBatchError, type BatchError } from '../core/errors.ts';
import type { JobReport } from '../core/progress.ts';
import { previewTable, type TablePreview } from '../output/preview-table.ts';
import { failedRows } from '../output/failed-rows.ts';
import { hasRows } from '../output/job-table.ts';
import { checkFailedPath, saveFailed } from '../output/save-failed.ts';
import { checkOutputPath, saveOutput, savePartial, type TableOptions } from '../output/save-output.ts';
import { jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { failedRequests } from './failed-requests.ts';
import type { JobRecords } from './job-records.ts';
import { readRowTexts, type RowsToRead, type RowText } from './result-rows.ts';
import { withStoreErrors } from './store-errors.ts';
import { mergedRowTexts, partialResults } from './stored-rows.ts';
import type { TemporalCalls } from './temporal-calls.ts';
import { toBatchError } from './temporal-failure.ts';

/** The options of every method that waits. */
export interface WaitOptions {
  /** Ends the wait, not the job: the call rejects with the signal's reason, by default an `AbortError`. */
  signal?: AbortSignal;
}

/** How to write the results of a job. */
export interface SaveOptions extends WaitOptions, TableOptions {}

/** How a job has ended. */
type JobEnd = { readonly report: JobReport } | { readonly failure: BatchError };

/** Waits for the end of a job, and reads its results; `JobHandle` documents each method. */
export class JobResults {
  private readonly calls: TemporalCalls;
  private readonly store: Store;
  private readonly records: JobRecords;

  constructor(calls: TemporalCalls, store: Store, records: JobRecords) {
    this.calls = calls;
    this.store = store;
    this.records = records;
  }

  async report(options: WaitOptions): Promise<JobReport> {
    const end = await this.end(options);
    if ('failure' in end) throw end.failure;
    return end.report;
  }

  async *rowTexts(options: WaitOptions): AsyncGenerator<RowText, void, undefined> {
    const { signal } = options;
    const end = await this.end(options);
    signal?.throwIfAborted();
    const failure = 'failure' in end ? end.failure : null;
    const part = failure === null ? null : await this.records.storedRows(failure);
    if (part === null) await this.records.assertResults();
    const rows =
      part === null
        ? readRowTexts(this.results())
        : mergedRowTexts(this.store, part.files, this.records.jobId);
    for await (const row of rows) {
      yield row;
      signal?.throwIfAborted();
    }
    if (failure !== null && part !== null) throw partialResults(failure, part, this.records.jobId, null);
  }

  async *failedRequests(options: WaitOptions): AsyncGenerator<string, number, undefined> {
    await this.report(options);
    const rows = readRowTexts(this.results());
    const requests = failedRequests(this.store, this.records.jobId, rows);
    for (;;) {
      const { value, done } = await withStoreErrors(() => requests.next(), this.records.jobId);
      if (done === true) return value;
      yield value;
      options.signal?.throwIfAborted();
    }
  }

  /** The lines without an answer in the form of the input: rows, or requests as of `failedRequests`. */
  async *failedInput(options: WaitOptions): AsyncGenerator<string, number, undefined> {
    await this.report(options);
    const spec = await this.records.spec();
    if (spec === null || !hasRows(spec)) return yield* this.failedRequests(options);
    const rows = failedRows(this.store, spec);
    for (;;) {
      const { value, done } = await withStoreErrors(() => rows.next(), this.records.jobId);
      if (done === true) return 0;
      yield value;
      options.signal?.throwIfAborted();
    }
  }

  /** The first rows as a table; null if the job has ended without results, or the store no longer has what a table needs. */
  async preview(limit: number): Promise<TablePreview | null> {
    const end = await this.end({});
    if ('failure' in end) return null;
    await this.records.assertResults();
    return await previewTable(this.store, this.records.jobId, limit).catch((error: unknown) => {
      if (isBatchError(error)) return null;
      throw error;
    });
  }

  async save(path: string, options: SaveOptions): Promise<JobReport> {
    const { jobId } = this.records;
    await checkOutputPath(path, jobId, { keep: options.keep });
    const end = await this.end(options);
    if ('failure' in end) {
      const part = await this.records.storedRows(end.failure);
      const rows = textsOf(mergedRowTexts(this.store, part.files, jobId));
      const file = await savePartial(this.store, jobId, { rows, lines: part.lines }, path, options);
      throw partialResults(end.failure, part, jobId, file);
    }
    await this.records.assertResults();
    await saveOutput(this.store, jobId, path, options);
    return end.report;
  }

  async saveFailed(path: string, options: WaitOptions): Promise<number> {
    await checkFailedPath(path, this.records.jobId, await this.records.spec());
    await this.report(options);
    await this.records.assertResults();
    return await saveFailed(this.store, this.records.jobId, this.failedRequests(options), path);
  }

  private results(): RowsToRead {
    const { jobId } = this.records;
    return { store: this.store, key: jobFiles.results(jobId), jobId };
  }

  /** Waits for the end of the job; returns its report, or the error with which it ended. */
  private async end({ signal }: WaitOptions): Promise<JobEnd> {
    this.calls.assertOpen();
    const { jobId } = this.records;
    const kept = await this.records.report();
    if (kept !== null) return { report: kept };
    const result = async (): Promise<JobEnd> => {
      try {
        return { report: (await this.calls.client.workflow.getHandle(jobId).result()) as JobReport };
      } catch (error) {
        const isEnd = error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError;
        if (!isEnd) throw error;
        const { target } = this.calls;
        return { failure: toBatchError(error, { jobId, target }) as BatchError };
      }
    };
    return await this.calls.run(result, { jobId, signal, patient: true, isLong: true });
  }
}

async function* textsOf(rows: AsyncIterable<RowText>): AsyncGenerator<string, void, undefined> {
  for await (const { text } of rows) yield text;
}
