import { activityInfo, Context } from '@temporalio/activity';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { queueId, REPORT_TOKENS, TOKEN_QUEUE } from '../token-queue/names.ts';
import type { QueueName, TokenReply, TokenReport } from '../token-queue/token-report.ts';
import { accountOf } from './step/account.ts';
import type { Dependencies } from './step/dependencies.ts';

/** A report to the queue of a model. */
export interface TokenReportRequest {
  readonly model: string;
  /** The account as the user names it, or as in the job's first report; null to have it derived from the key. */
  readonly account: string | null;
  readonly report: Omit<TokenReport, 'job' | 'run'>;
}

/** The queue replies from memory: a later reply means that no worker runs it. */
const REPLY_MS = 20_000;

/**
 * Reports what a job wants and has of a queue, and returns what it was granted; starts the queue if need be. Safe twice: a report
 * replaces the one before, and the queue ignores a late copy of an earlier one.
 */
export async function reportTokens(
  deps: Dependencies,
  { model, account, report }: TokenReportRequest,
): Promise<TokenReply & Pick<QueueName, 'account'>> {
  const { taskQueue, workflowExecution } = activityInfo();
  const { client } = Context.current();
  const name: QueueName = { account: accountOf(deps, account), model };
  const { workflowId: job, runId: run } = workflowExecution!;
  const reply = await client.withDeadline(Date.now() + REPLY_MS, () =>
    client.workflow.executeUpdateWithStart<never, TokenReply, [TokenReport]>(REPORT_TOKENS, {
      args: [{ ...report, job, run }],
      startWorkflowOperation: new WithStartWorkflowOperation(TOKEN_QUEUE, {
        workflowId: queueId(name),
        taskQueue,
        args: [name, null, { patience: deps.patience }],
        workflowIdConflictPolicy: 'USE_EXISTING',
        staticSummary: `enqueued tokens of ${model}`,
      }) as never,
    }),
  );
  return { ...reply, account: name.account };
}
