import { QueryNotRegisteredError, type Client } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { TOKEN_QUEUE } from '../token-queue/names.ts';
import type { QueueView } from '../token-queue/queue-view.ts';
import { queueQuery } from '../workflows/messages.ts';
import type { TemporalCalls } from './temporal-calls.ts';

/** A worker replies to a query at once, if there is one. */
const QUERY_MS = 10_000;

/** Yields the token queues at the server, or those of one model. */
export async function* tokenQueues(calls: TemporalCalls, model: string | null): AsyncGenerator<QueueView> {
  const query = `WorkflowType = '${TOKEN_QUEUE}' AND ExecutionStatus = 'Running'`;
  const queues = calls.client.workflow.list({ query })[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await calls.run(() => queues.next());
    if (done === true) return;
    if (model !== null && !value.workflowId.endsWith(`/${encodeURIComponent(model)}`)) continue;
    yield await calls.run((client) => viewOf(client, value.workflowId));
  }
}

async function viewOf(client: Client, queueId: string): Promise<QueueView> {
  try {
    return await client.withDeadline(Date.now() + QUERY_MS, () =>
      client.workflow.getHandle(queueId).query(queueQuery),
    );
  } catch (error) {
    if (error instanceof QueryNotRegisteredError || isDeadline(error))
      throw new BatchError(
        ErrorCode.TemporalUnavailable,
        `No worker replied for ${queueId}: start one with \`durable-batch worker\`, then ask again.`,
        { cause: error },
      );
    throw error;
  }
}

function isDeadline(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code === 4 || cause?.code === 4; // gRPC DEADLINE_EXCEEDED
}
