/**
 * Every change of a workflow that a running job may not have gone through, in the order of their releases; each is asked for by
 * `patched`. A job whose history began before the change keeps to the old way (docs/workflow-changes.md).
 */
export const Version = {
  /** The job writes search attributes and a memo, and polls by status alone. */
  Listed: 'listed',
  /** A refused account is probed; before, it waited for `resume`. */
  ProbeAccount: 'probe-account',
  /** A cancelled round ends only after what was bought has been searched for. */
  FindBought: 'find-bought',
  /** A pause is not taken for the end of a round. */
  HeldAgain: 'held-again',
  /** A pause also keeps uploaded shards from getting their batches. */
  HeldAfterUpload: 'held-after-upload',
  /** No failure of a step ends the job while it may have unread batches. */
  StepFailure: 'step-failure',
  /** `--rebuy` buys again what ended without its paid answer. */
  Rebuy: 'rebuy',
  /** A cancel neither waits for a poll nor delays one. */
  CancelAtOnce: 'cancel-at-once',
  /** A cancel and continue-as-new give up steps that would be retried. */
  GiveUpSteps: 'give-up-steps',
  /** A poll runs for minutes, and neither sends nor returns what has not changed. */
  WatchBatches: 'watch-batches',
  /** A cancellation by Temporal reaches the API at once, and not 20 s later. */
  OutsideCancel: 'outside-cancel',
  /** A poll that is retried makes way for one that includes the batches created meanwhile. */
  PollMakesWay: 'poll-makes-way',
  /** Jobs with a priority or a limit wait for tokens of the account's queues. */
  TokenQueue: 'token-queue',
} as const;
