import { batchFault, BatchStatus } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Clock } from './clock.ts';
import type { ResolvedEmulatorOptions } from './options.ts';

/** The schedule of one batch: how long each status lasts, and how many lines may be done by now. */
export class BatchTiming {
  readonly #record: BatchRecord;
  readonly #options: ResolvedEmulatorOptions;
  readonly #clock: Clock;

  constructor(record: BatchRecord, options: ResolvedEmulatorOptions, clock: Clock) {
    this.#record = record;
    this.#options = options;
    this.#clock = clock;
  }

  /** When the current status ends, by its duration or by a fault. */
  get endOfStatusMs(): number {
    const { lifecycle, speed } = this.#options;
    const { status } = this.#record;
    const durations: Partial<Record<BatchStatus, number>> = {
      [BatchStatus.validating]: lifecycle.validatingMs,
      [BatchStatus.finalizing]: lifecycle.finalizingMs,
      [BatchStatus.cancelling]: lifecycle.cancellingMs,
    };
    const durationMs = lifecycle.mode === 'instant' ? 0 : (durations[status] ?? 0) / speed;
    return Math.max(this.#enteredAtMs(status) + durationMs, this.stuckUntilMs);
  }

  get statusIsOver(): boolean {
    return this.#clock.now() >= this.endOfStatusMs;
  }

  /** When the fault `stuck` lets the batch leave its current status; 0 without the fault. */
  get stuckUntilMs(): number {
    const { status } = this.#record;
    const stuck = this.#record.faults.find((fault) => fault.kind === 'stuck' && fault.status === status);
    if (stuck?.kind !== 'stuck') return 0;
    return stuck.seconds === undefined
      ? Number.POSITIVE_INFINITY
      : this.#enteredAtMs(status) + stuck.seconds * 1000;
  }

  get isStuck(): boolean {
    return this.stuckUntilMs > this.#clock.now();
  }

  get windowEndMs(): number {
    return batchFault(this.#record, 'never_expires') ? Number.POSITIVE_INFINITY : this.#record.expiresAtMs;
  }

  get windowClosed(): boolean {
    return this.#clock.now() >= this.windowEndMs;
  }

  /** How many lines may be done before a fault stops the batch. */
  get maxLines(): number {
    const stuck = this.isStuck ? batchFault(this.#record, 'stuck') : undefined;
    const fractions = [
      batchFault(this.#record, 'expire')?.afterFraction,
      batchFault(this.#record, 'cancel')?.afterFraction,
      stuck && (stuck.afterFraction ?? 0),
    ];
    return fractions.reduce<number>(
      (max, fraction) => Math.min(max, Math.floor(this.#lines * (fraction ?? 1))),
      this.#lines,
    );
  }

  /** Whether enough lines are done for the fault `expire` or `cancel`. */
  isDue(kind: 'expire' | 'cancel'): boolean {
    const fault = batchFault(this.#record, kind);
    return (
      fault !== undefined && this.#record.progress.position >= Math.floor(this.#lines * fault.afterFraction)
    );
  }

  /** How many lines should be done by now, faults aside. */
  get linesDue(): number {
    const totalMs = this.#executionMs;
    if (totalMs <= 0) return this.#lines;
    const passedMs = this.#clock.now() - this.#enteredAtMs(BatchStatus.inProgress);
    return Math.min(this.#lines, Math.floor((this.#lines * passedMs) / totalMs));
  }

  /** When the next twentieth of the lines is due: often enough to show progress, seldom enough to cost nothing. */
  get nextLinesDueMs(): number {
    const { position } = this.#record.progress;
    const next = Math.min(this.#lines, position + Math.max(1, Math.ceil(this.#lines / 20)));
    return this.#enteredAtMs(BatchStatus.inProgress) + Math.ceil((this.#executionMs * next) / this.#lines);
  }

  get #executionMs(): number {
    const { lifecycle, speed } = this.#options;
    if (lifecycle.mode === 'instant') return 0;
    return (lifecycle.inProgressMs + lifecycle.perLineMs * this.#lines) / speed;
  }

  get #lines(): number {
    return this.#record.validated?.lines ?? 0;
  }

  #enteredAtMs(status: BatchStatus): number {
    return this.#record.enteredAtMs[status] ?? this.#record.createdAtMs;
  }
}
