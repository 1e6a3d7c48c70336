import type { Connection } from '@temporalio/client';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import { readEnvironment } from '../../environment.ts';
import { isSearchable } from '../../temporal/index.ts';
import { SCHEDULED_JOB } from '../../workflows/messages.ts';
import type { TemporalCalls } from '../temporal-calls.ts';
import { withScheduleErrors } from './schedule-errors.ts';
import { ScheduleHandle, type ScheduleStatus } from './schedule-handle.ts';
import { assertScheduleOptions, resolveSchedule, type ScheduleOptions } from './schedule-options.ts';
import { noteOf, toTemporal } from './to-temporal.ts';

/** Creates and finds schedules of jobs; `client.schedules`. */
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
   * Creates a schedule; Temporal then starts a job at each of its times, which needs a running worker.
   * @throws BatchError `bad_option`, also for options that only the server refuses; `schedule_exists`
   */
  async create(options: ScheduleOptions): Promise<ScheduleHandle> {
    this.calls.assertOpen();
    assertScheduleOptions(options);
    const { client, target } = this.calls;
    const searchable = await isSearchable(client.connection as Connection, target);
    const account = options.account ?? readEnvironment().account;
    const spec = resolveSchedule(account === null ? options : { ...options, account }, searchable);
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

  /** The schedule with this name; does not call the server. */
  get(name: string): ScheduleHandle {
    return new ScheduleHandle(name, this.calls, this.store);
  }

  /** The schedules of batch jobs on the server; a new one may be missing for a second. */
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
          // Deleted since the list, or a schedule of another application.
          if (error instanceof BatchError && error.code === ErrorCode.ScheduleNotFound) return null;
          throw error;
        });
      if (status !== null) yield status;
    }
  }
}
