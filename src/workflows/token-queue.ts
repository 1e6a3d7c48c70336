import {
  ActivityFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { newQueueState, type QueueState } from '../token-queue/queue-state.ts';
import { queueDetails } from '../token-queue/queue-details.ts';
import { viewOf } from '../token-queue/queue-view.ts';
import { TokenLedger } from '../token-queue/token-ledger.ts';
import type { QueueName } from '../token-queue/token-report.ts';
import { sweepTokenQueue } from './activity-proxies.ts';
import { queueQuery, reportTokensUpdate, tokensSignal } from './messages.ts';
import { maxHistoryEvents, scaled, tune, type JobTuning } from './tuning.ts';

/** What ended without a word is found after this time at most, and so are batches of other applications. */
const SWEEP_MS = 5 * 60_000;

/**
 * The enqueued tokens of one model of one account. Jobs report what they want and have, in an update that returns what they get at
 * once; what becomes free later is granted by a signal. It runs for ever, and costs nothing while no job uses it.
 */
export async function tokenQueue(
  name: QueueName,
  carried: QueueState | null = null,
  tuning: JobTuning = {},
): Promise<void> {
  tune(tuning);
  const ledger = new TokenLedger(carried ?? newQueueState(), scaled(1_000) / 1_000);
  const { state } = ledger;
  let changes = 0;
  const changed = (): void => {
    changes += 1;
    setCurrentDetails(queueDetails(viewOf(name, ledger, Date.now())));
  };
  /** Grants what fits; jobs other than the reporting one, which gets a reply, have to be told. */
  const grant = (reporting: string | null): void => {
    state.untold.push(...ledger.grant(Date.now()).filter(({ job }) => job !== reporting));
    changed();
  };

  setHandler(queueQuery, () => viewOf(name, ledger, Date.now()));
  setHandler(reportTokensUpdate, (report) => {
    ledger.take(report, Date.now());
    grant(report.job);
    return ledger.reply(report);
  });

  let isSweeping = false;
  while (isSweeping || !mustContinueAsNew()) {
    const before = changes;
    const sweepAt = ledger.isIdle || isSweeping ? null : state.sweptAt + scaled(SWEEP_MS);
    if (sweepAt !== null && Date.now() >= sweepAt) {
      // Beside the loop: the API may be slow, or away.
      isSweeping = true;
      void sweep(name, ledger).finally(() => {
        isSweeping = false;
        state.sweptAt = Date.now();
        changed();
      });
    }
    await untilTime([isSweeping ? null : sweepAt, ledger.nextAt(Date.now())], () => changes > before);
    grant(null);
    await tellGrants(name, ledger);
  }
  await condition(allHandlersFinished);
  await continueAsNew<typeof tokenQueue>(name, state, tuning);
}

/** Resolves when `isDue` holds, or at the earliest of the times, in ms; those that are null never come. */
async function untilTime(times: readonly (number | null)[], isDue: () => boolean): Promise<void> {
  const next = Math.min(...times.map((time) => time ?? Number.POSITIVE_INFINITY));
  if (next === Number.POSITIVE_INFINITY) await condition(isDue);
  else await condition(isDue, Math.max(1, next - Date.now()), { summary: 'until tokens may be free' });
}

/** Compares the queue with the account's batches and with the jobs that run. While the API cannot be read, nothing changes. */
async function sweep(name: QueueName, ledger: TokenLedger): Promise<void> {
  try {
    const runs = ledger.runs();
    const request = { ...name, jobs: [...runs.keys()], known: ledger.state.others };
    ledger.sweep(await sweepTokenQueue(`compare with the batches of ${name.model}`, request), runs);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
  }
}

/** Signals each job what it was granted. The next sweep finds a job that has ended. */
async function tellGrants({ model }: QueueName, ledger: TokenLedger): Promise<void> {
  const keysOf = new Map<string, string[]>();
  for (const { job, key } of ledger.state.untold.splice(0))
    keysOf.set(job, [...(keysOf.get(job) ?? []), key]);
  const tell = async ([job, keys]: [string, string[]]): Promise<void> => {
    await getExternalWorkflowHandle(job)
      .signal(tokensSignal, model, keys)
      .catch(() => undefined);
  };
  await Promise.all([...keysOf].map(tell));
}

function mustContinueAsNew(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength >= maxHistoryEvents();
}
