import { CancellationScope, patched, setHandler } from '@temporalio/workflow';
import { AccountGate, type WaitingStep } from './account-gate.ts';
import { BatchWatch } from './batch-watch.ts';
import { BatchesInFlight } from './batches-in-flight.ts';
import type { JobRun } from './job-state.ts';
import {
  cancelSignal,
  pauseSignal,
  pollSignal,
  prioritySignal,
  rebuySignal,
  resumeSignal,
  tokensSignal,
} from './messages.ts';
import { RunningSteps } from './running-steps.ts';
import { failureReason } from './step-failure.ts';
import { TokenShare } from './token-share.ts';
import { Version } from './versions.ts';

/** What starts, stops and delays the steps of a job: signals, the account's gate, the poll loop, and steps that can be given up. */
export class JobControl {
  readonly run: JobRun;
  readonly gate: AccountGate;
  readonly inFlight: BatchesInFlight = new BatchesInFlight();
  readonly watch: BatchWatch;
  readonly steps: RunningSteps = new RunningSteps();
  readonly tokens: TokenShare;

  constructor(run: JobRun) {
    this.run = run;
    this.gate = new AccountGate(run);
    this.watch = new BatchWatch(run, this.gate, this.inFlight);
    this.tokens = new TokenShare(run, this.inFlight);
    this.gate.onOpen = () => this.watch.onAccepted();
  }

  /** Handles signals, and Temporal's own cancellation, which means what the cancel signal means: what was paid is kept. */
  listen(): void {
    setHandler(cancelSignal, () => outsideCancel(() => this.cancel()));
    setHandler(pauseSignal, (reason) => this.pause(reason));
    setHandler(resumeSignal, () => outsideCancel(() => this.resume()));
    setHandler(pollSignal, () => this.watch.wake());
    setHandler(tokensSignal, (model, keys) => this.tokens.take(model, keys));
    setHandler(prioritySignal, (priority) => this.tokens.prioritize(priority));
    setHandler(rebuySignal, () => {
      this.run.state.rebuy = true;
    });
    void CancellationScope.current().cancelRequested.catch(() => outsideCancel(() => this.cancel()));
  }

  cancel(): void {
    const { state } = this.run;
    state.cancelled = true;
    state.stuck = null; // what a cancelled job has bought is read once more, and settled as far as it can be
    this.gate.hurry();
    this.steps.giveUpSending();
    this.watch.cancelAll();
    this.run.onChange();
  }

  pause(reason: string): void {
    this.run.state.paused = reason;
    this.run.onChange();
  }

  resume(): void {
    Object.assign(this.run.state, { paused: null, lost: null, stuck: null });
    this.gate.forget();
    this.gate.open();
    this.watch.wake();
    this.run.onChange();
  }

  /** Pauses the job until `resume` or a cancel: no retry helps this step, and the job cannot end without it. */
  stuckAt(step: string, error: unknown): void {
    this.run.state.stuck = `${step}: ${failureReason(error)}`;
    this.run.onChange();
  }

  /** Resolves when the shard may be sent, or may be the account's probe, or need not be sent in this run any more. */
  untilMaySend(step: Pick<WaitingStep, 'accepted'>): Promise<void> {
    const { run } = this;
    return this.gate.untilOpen({ ...step, isHeld: () => run.isHeld(), leaves: () => run.isStopping() });
  }

  /** Resolves when a step that buys nothing may be tried again, or when the run continues as new. */
  untilMayTry(step: Pick<WaitingStep, 'accepted'>): Promise<void> {
    const { run } = this;
    return this.gate.untilOpen({ ...step, isHeld: () => run.isStuck(), leaves: () => run.isContinuing });
  }
}

/**
 * Handles a signal outside the workflow's own scope: once that scope is cancelled, every step started in it ends at once, and so
 * would the cancel of a batch.
 */
function outsideCancel(act: () => void): void {
  if (patched(Version.OutsideCancel)) void CancellationScope.nonCancellable(async () => act());
  else act();
}
