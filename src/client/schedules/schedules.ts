import type { Connection } from '@temporalio/client';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import { withEnvironment } from '../../job/prepare-job.ts';
import { scheduleRowsOf, withStoredRows, type ScheduleFiles } from '../../job/schedule-rows.ts';
import { isSearchable } from '../../temporal/index.ts';
import { SCHEDULED_JOB } from '../../workflows/messages.ts';
import type { TemporalCalls } from '../temporal-calls.ts';
import { withScheduleErrors } from './schedule-errors.ts';
import { ScheduleHandle, type ScheduleStatus } from './schedule-handle.ts';
import { assertScheduleOptions, resolveSchedule, type ScheduleOptions } from './schedule-options.ts';
import { noteOf, toTemporal } from './to-temporal.ts';

/** Creates, gets and lists schedules of jobs; `client.schedules`. */
export class Schedules {
  private readonly calls: TemporalCalls;
  private readonly store: Store;
  private readonly taskQueue: string;

  constructor(calls: TemporalCalls, store: Store, taskQueue: string) {
    this.calls = calls;
    this.store = store;
    this.taskQueue = taskQueue;
  }

  /**
   * Creates a schedule. Temporal starts a job at each of its times; a worker must be running. The input is not read: each run reads its own.
   * @throws BatchError `bad_option`, also if only the server refuses an option; `bad_input` for a template; `schedule_exists`
   */
  async create(options: ScheduleOptions): Promise<ScheduleHandle> {
    return await this.createWith(options, {});
  }

  /**
   * As `create()`, with the files of a command line.
   * @internal
   */
  async createWith(options: ScheduleOptions, files: ScheduleFiles): Promise<ScheduleHandle> {
    this.calls.assertOpen();
    assertScheduleOptions(options);
    const rows = await scheduleRowsOf(options, files);
    const { client, target } = this.calls;
    const searchable = await isSearchable(client.connection as Connection, target);
    const resolved = resolveSchedule(withEnvironment(options), searchable, rows);
    const spec = await withStoredRows(this.store, resolved, rows);
    await this.calls.run(() =>
      withScheduleErrors(spec.name, () =>
        client.schedule.create({
          scheduleId: spec.name,
          ...toTemporal(spec, this.taskQueue),
          state: { paused: options.paused ?? false, note: options.note ?? noteOf(spec) },
        }),
      ),
    );
    return this.get(spec.name);
  }

  /** Returns a handle of the schedule of this name, without a call to the server. */
  get(name: string): ScheduleHandle {
    return new ScheduleHandle(name, this.calls, this.store);
  }

  /** Yields the schedules of batch jobs at the server; a new one may be missing for a second. */
  async *list(): AsyncGenerator<ScheduleStatus> {
    const listed = this.calls.client.schedule.list()[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.calls.run(() => listed.next());
      if (done === true) return;
      const { scheduleId, action } = value;
      if (action !== undefined && action.workflowType !== SCHEDULED_JOB) continue;
      const status = await this.get(scheduleId)
        .describe()
        .catch((error: unknown) => {
          // Deleted since it was listed, or another application's.
          if (error instanceof BatchError && error.code === ErrorCode.ScheduleNotFound) return null;
          throw error;
        });
      if (status !== null) yield status;
    }
  }
}
