import type { BatchError } from '../core/errors.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import { currentPass, recordCancel } from '../store/job-pass.ts';
import { readRecord, type Store } from '../store/store.ts';
import { storeIdentity, type StoreIdentity } from '../store/store-identity.ts';
import { withStoreErrors, resultsMissing } from './store-errors.ts';
import { findStoredRows, type StoredRows } from './stored-rows.ts';
import type { TemporalCalls } from './temporal-calls.ts';

/**
 * Reads the records of a job in the store.
 * @throws BatchError `store_unavailable`, every method, when the store cannot be read
 */
export class JobRecords {
  readonly jobId: string;
  private readonly calls: TemporalCalls;
  private readonly store: Store;

  constructor(jobId: string, calls: TemporalCalls, store: Store) {
    this.jobId = jobId;
    this.calls = calls;
    this.store = store;
  }

  /** True when the results are in the store. */
  async isFinished(): Promise<boolean> {
    return (await this.read(() => this.store.size(jobFiles.report(this.jobId)))) !== null;
  }

  /** The report; null while the job has none. */
  async report(): Promise<JobReport | null> {
    return await this.read(() => readRecord<JobReport>(this.store, jobFiles.report(this.jobId)));
  }

  /** The spec of a job whose shards were built in this store; null for other jobs. */
  async spec(): Promise<JobSpec | null> {
    return await this.read(async () => {
      const plan = await this.store.size(jobFiles.round(this.jobId, 1));
      return plan === null ? null : await readRecord<JobSpec>(this.store, jobFiles.spec(this.jobId));
    });
  }

  /** Records that the job is cancelled, for every later start of it. */
  async recordCancel(): Promise<void> {
    await this.read(async () =>
      recordCancel(this.store, this.jobId, await currentPass(this.store, this.jobId)),
    );
  }

  /**
   * The rows of a job that ended without results.
   * @throws the failure with which it ended, if there is no row
   */
  async storedRows(failure: BatchError): Promise<StoredRows> {
    const stored = await this.read(() => findStoredRows(this.store, this.jobId));
    if (stored === null || stored.rows === 0) throw failure;
    return stored;
  }

  /** @throws BatchError `store_unavailable`, naming the store that should have the results */
  async assertResults(): Promise<void> {
    const [size, ours] = await this.read(
      async () =>
        [await this.store.size(jobFiles.results(this.jobId)), await storeIdentity(this.store)] as const,
    );
    if (size === null) throw resultsMissing(this.jobId, ours, await this.startedIn());
  }

  /** The store that the job was started with, from its workflow's input; null if unknown. */
  private async startedIn(): Promise<StoreIdentity | null> {
    try {
      return await this.calls.run(async ({ workflowService, options }) => {
        const { history } = await workflowService.getWorkflowExecutionHistory({
          namespace: options.namespace,
          execution: { workflowId: this.jobId },
          maximumPageSize: 1,
        });
        const { input } = history?.events?.[0]?.workflowExecutionStartedEventAttributes ?? {};
        const { decodeArrayFromPayloads } =
          await import('@temporalio/common/lib/internal-non-workflow/index.js');
        const [spec] = (await decodeArrayFromPayloads(options.loadedDataConverter, input?.payloads)) as [
          JobSpec?,
        ];
        return spec?.store ?? null;
      });
    } catch {
      return null; // the server no longer has the job, or is unavailable: the error does not name that store
    }
  }

  private async read<T>(read: () => Promise<T>): Promise<T> {
    return await withStoreErrors(read, this.jobId);
  }
}
