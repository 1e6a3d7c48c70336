import type { QueueName } from './token-report.ts';

/** The name at the server of the workflow that grants the tokens of a model. */
export const TOKEN_QUEUE = 'tokenQueue';

/** The name of its update. */
export const REPORT_TOKENS = 'reportTokens';

/** The workflow id of a queue. */
export function queueId({ account, model }: QueueName): string {
  return `token-queue/${encodeURIComponent(account)}/${encodeURIComponent(model)}`;
}
