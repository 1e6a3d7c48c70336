import { CancellationScope } from '@temporalio/workflow';

/**
 * The running steps of shards, so that they can be given up. That is safe: a step finds in the store, or at the API, what an
 * earlier attempt has done. So neither a cancel nor continue-as-new waits for a step that is retried for days.
 */
export class RunningSteps {
  private readonly scopes = new Map<CancellationScope, { readonly isSending: boolean }>();

  /** Runs a step that can be given up; `isSending` for those that come before a batch. */
  async run<T>(isSending: boolean, step: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope({ cancellable: true });
    this.scopes.set(scope, { isSending });
    try {
      return await scope.run(step);
    } finally {
      this.scopes.delete(scope);
    }
  }

  /** Gives up what would send more requests. */
  giveUpSending(): void {
    for (const [scope, { isSending }] of this.scopes) if (isSending) scope.cancel();
  }

  giveUpAll(): void {
    for (const scope of this.scopes.keys()) scope.cancel();
  }
}
