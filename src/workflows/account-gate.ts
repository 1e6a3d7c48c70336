import { condition, patched } from '@temporalio/workflow';
import { checkAccount } from './activity-proxies.ts';
import type { JobRun } from './job-state.ts';
import { accountRefusal } from './step-failure.ts';
import { scaled } from './tuning.ts';
import { Version } from './versions.ts';

/** Waits before a refused account is probed again: a card is replaced within minutes, or overnight. */
const PROBE_MS = [60_000, 120_000, 240_000, 480_000, 900_000] as const;

/** A step that waits because the API refused it for the account. */
export interface WaitingStep {
  /** True while the step waits for another reason than the account; it cannot be the probe then. */
  isHeld(): boolean;
  /** True once the API has accepted the step. */
  accepted(): boolean;
  /** True when the step need not wait any more, whatever the state of the account. */
  leaves(): boolean;
}

/**
 * Steps wait here while the API refuses the key or the account. The gate probes the account at growing intervals, in two parts,
 * and opens when both pass; no user has to resume the job.
 *
 * 1. `check-account` reads one batch of the list. It costs nothing and fails while the key is refused.
 * 2. A billing refusal shows only when something is bought. So exactly one of the waiting steps is tried again. `resume` would
 *    let the same step go, so the probe buys nothing that was not asked for.
 */
export class AccountGate {
  /** Called when the account is accepted again, before the change is shown. */
  onOpen: () => void = () => undefined;
  private readonly run: JobRun;
  private readonly waiting: (WaitingStep & { chosen: boolean })[] = [];
  private refusals = 0;
  private hurried = false;
  private probing = false;

  constructor(run: JobRun) {
    this.run = run;
    if (run.account.refused !== null) this.startProbing();
  }

  /** The API has refused a step. */
  refuse(reason: string): void {
    const { account } = this.run;
    const first = account.refused === null;
    account.refused = reason;
    this.refusals += 1;
    if (first) this.startProbing();
    this.changed();
  }

  /** Lets all steps go, after `resume` or a probe that passed. */
  open(): void {
    this.run.account.refused = null;
    this.changed();
  }

  private changed(): void {
    if (this.run.account.refused === null) this.onOpen();
    this.run.onChange();
  }

  /** Probes at once, and at short intervals again. */
  hurry(): void {
    this.run.account.probes = 0;
    this.hurried = true;
  }

  /** A batch has ended well: the next refusal is a new one. */
  forget(): void {
    this.run.account.probes = 0;
  }

  /**
   * Resolves when the step is not held and the gate is open or the step is chosen to be the probe, or when it leaves.
   * It is one `condition` and no more: another turn of the event loop would change the order of commands in old histories.
   */
  untilOpen(step: WaitingStep): Promise<void> {
    const waiter = { ...step, chosen: false };
    this.waiting.push(waiter);
    const passed = condition(
      () => step.leaves() || (!step.isHeld() && (this.run.account.refused === null || waiter.chosen)),
    );
    void passed.then(() => this.waiting.splice(this.waiting.indexOf(waiter), 1));
    return passed;
  }

  private startProbing(): void {
    // Jobs that were refused under version 0.1 wait for `resume`.
    if (this.probing || !patched(Version.ProbeAccount)) return;
    this.probing = true;
    void this.probe().finally(() => {
      this.probing = false;
    });
  }

  private async probe(): Promise<void> {
    const { account } = this.run;
    const over = (): boolean => account.refused === null || this.run.isContinuing;
    while (!over()) {
      const wait = PROBE_MS[Math.min(account.probes, PROBE_MS.length - 1)]!;
      await condition(() => over() || this.hurried, scaled(wait), {
        summary: `asks the refused account again, probe ${account.probes + 1}`,
      });
      this.hurried = false;
      if (over()) return;
      account.probes += 1;
      const passed = (await this.keyIsAccepted()) && !over() && (await this.oneStepIsAccepted());
      if (passed && !over()) this.open();
    }
  }

  private async keyIsAccepted(): Promise<boolean> {
    const { account } = this.run;
    try {
      await checkAccount(`does the API accept the key again? probe ${account.probes}`);
      return true;
    } catch (error) {
      const reason = accountRefusal(error);
      if (reason !== null && account.refused !== null) account.refused = reason;
      this.changed();
      return false; // refused, or the API cannot be reached: either way nothing can be bought
    }
  }

  private async oneStepIsAccepted(): Promise<boolean> {
    const waiter = this.waiting.find((step) => !step.isHeld());
    if (waiter === undefined) return true;
    const before = this.refusals;
    waiter.chosen = true;
    const refused = (): boolean => this.refusals > before;
    await condition(
      () => refused() || waiter.accepted() || this.run.account.refused === null || this.run.isContinuing,
    );
    return !refused();
  }
}
