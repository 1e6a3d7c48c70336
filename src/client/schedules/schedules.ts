import type { Client, Connection } from '@temporalio/client';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import { hasSearchAttributes } from '../../temporal/index.ts';
import { SCHEDULED_JOB } from '../../workflows/messages.ts';
import { tellingScheduleTrouble } from './schedule-errors.ts';
import { ScheduleHandle, type ScheduleStatus } from './schedule-handle.ts';
import { resolveSchedule, type ScheduleOptions } from './schedule-options.ts';
import { noteOf, toTemporal } from './to-temporal.ts';

/** Makes schedules of jobs and finds them again; `client.schedules`. */
export class Schedules {
  private readonly client: Client;
  private readonly store: Store;
  private readonly taskQueue: string;

  constructor(client: Client, store: Store, taskQueue: string) {
    this.client = client;
    this.store = store;
    this.taskQueue = taskQueue;
  }

  /**
   * Makes a schedule; Temporal then starts a job at each of its times, for workers that run.
   * @throws BatchError `bad_option`, also for what only the server refuses; `schedule_exists`
   */
  async create(options: ScheduleOptions): Promise<ScheduleHandle> {
    const { connection, options: of } = this.client;
    // `BatchClient.connect` has made it of this kind.
    const searchable = await hasSearchAttributes(connection as Connection, of.namespace);
    const spec = resolveSchedule(options, searchable);
    await tellingScheduleTrouble(spec.name, () =>
      this.client.schedule.create({
        scheduleId: spec.name,
        ...toTemporal(spec, this.taskQueue),
        state: { paused: options.paused ?? false, note: options.note ?? noteOf(spec) },
      }),
    );
    return this.get(spec.name);
  }

  /** The schedule of this name; nothing is asked of the server yet. */
  get(name: string): ScheduleHandle {
    return new ScheduleHandle(name, this.client, this.store);
  }

  /** The schedules of batch jobs that the server knows; a new one may be missing for a second. */
  async *list(): AsyncGenerator<ScheduleStatus> {
    for await (const { scheduleId, action } of this.client.schedule.list()) {
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
