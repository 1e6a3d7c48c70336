import { condition, patched } from '@temporalio/workflow';
import { accountRefusal } from './step-failure.ts';
import { checkAccount } from './activity-proxies.ts';

/** Waits before a refused account is asked again: a card is mended within minutes, or over night. */
const PROBE_MS = [60_000, 120_000, 240_000, 480_000, 900_000] as const;

/** What is carried from run to run. */
export interface AccountState {
  /** Why the API refuses the key or the account; null while it does not. */
  refused: string | null;
  /** Probes since a batch last ended well: decides the next wait. */
  probes: number;
}

/** A step that the API refused for the account, or that waits for money to be spent again. */
export interface WaitingStep {
  /** True while something else than the account holds the step up, so that it may not be the probe either. */
  isHeld(): boolean;
  /** True once the API has let the step pass. */
  accepted(): boolean;
  /** True when the step need not wait any more, whatever the account. */
  leaves(): boolean;
}

/** What the gate needs of its job. */
export interface GatedJob {
  isParking(): boolean;
  /** The reason has changed. */
  onChange(): void;
}

/**
 * Where steps wait while the API refuses the key or the account. Nobody needs to do anything once the account is mended:
 * at growing intervals the gate probes, in two parts, and opens when both pass.
 *
 * 1. `check-account` reads one batch of the list, which shows a key that is still refused and costs nothing.
 * 2. A billing refusal shows only when something is bought. So one of the waiting steps, and only one, tries again;
 *    it would have been tried at that moment after `resume` anyhow, so that a probe buys nothing that was not asked for.
 */
export class AccountGate {
  private readonly state: AccountState;
  private readonly job: GatedJob;
  private readonly waiting: (WaitingStep & { chosen: boolean })[] = [];
  private refusals = 0;
  private hurried = false;
  private probing = false;

  constructor(state: AccountState, job: GatedJob) {
    this.state = state;
    this.job = job;
    if (state.refused !== null) this.startProbing();
  }

  get reason(): string | null {
    return this.state.refused;
  }

  /** The API has refused a step. */
  refuse(reason: string): void {
    const first = this.state.refused === null;
    this.state.refused = reason;
    this.refusals += 1;
    if (first) this.startProbing();
    this.job.onChange();
  }

  /** Lets all steps go, because somebody says so or a probe has passed. */
  open(): void {
    this.state.refused = null;
    this.job.onChange();
  }

  /** Probes at once, and at short intervals again. */
  hurry(): void {
    this.state.probes = 0;
    this.hurried = true;
  }

  /** A batch has ended well: the next refusal is a new one. */
  forget(): void {
    this.state.probes = 0;
  }

  /**
   * Resolves when the step is not held and the gate is open or the step is chosen to be the probe, or when it leaves.
   * It is one `condition` and no more: another turn of the event loop would change the order of commands in old histories.
   */
  untilOpen(step: WaitingStep): Promise<void> {
    const waiter = { ...step, chosen: false };
    this.waiting.push(waiter);
    const passed = condition(
      () => step.leaves() || (!step.isHeld() && (this.state.refused === null || waiter.chosen)),
    );
    void passed.then(() => this.waiting.splice(this.waiting.indexOf(waiter), 1));
    return passed;
  }

  private startProbing(): void {
    // Jobs that were refused under version 0.1 wait for `resume`.
    if (this.probing || !patched('probe-account')) return;
    this.probing = true;
    void this.probe().finally(() => {
      this.probing = false;
    });
  }

  private async probe(): Promise<void> {
    const { state, job } = this;
    const over = (): boolean => state.refused === null || job.isParking();
    while (!over()) {
      const wait = PROBE_MS[Math.min(state.probes, PROBE_MS.length - 1)]!;
      await condition(() => over() || this.hurried, scaled(wait), {
        summary: `asks the refused account again, probe ${state.probes + 1}`,
      });
      this.hurried = false;
      if (over()) return;
      state.probes += 1;
      const passed = (await this.keyIsAccepted()) && !over() && (await this.oneStepIsAccepted());
      if (passed && !over()) this.open();
    }
  }

  private async keyIsAccepted(): Promise<boolean> {
    try {
      await checkAccount(`does the API accept the key again? probe ${this.state.probes}`);
      return true;
    } catch (error) {
      const reason = accountRefusal(error);
      if (reason !== null && this.state.refused !== null) this.state.refused = reason;
      this.job.onChange();
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
      () => refused() || waiter.accepted() || this.state.refused === null || this.job.isParking(),
    );
    return !refused();
  }
}

let patience = 1;

/** Tests against an emulator do not want to wait so long. A workflow has its own copy of this module. */
export function tunePatience(factor: number): void {
  patience = factor;
}

/** A wait of the workflow's that exists because the API or its owner is slow. */
export function scaled(ms: number): number {
  return Math.max(1, ms * patience);
}
