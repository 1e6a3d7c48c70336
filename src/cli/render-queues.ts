import type { QueueView } from '../client/index.ts';
import { count } from '../core/number-format.ts';
import { sourceOf } from '../token-queue/queue-details.ts';

/** Token queues, one below the other. */
export function renderQueues(queues: readonly QueueView[], model: string | undefined): string {
  if (queues.length > 0) return queues.map((queue) => linesOf(queue).join('\n')).join('\n\n');
  const which = model === undefined ? 'No token queue' : `No token queue of ${model}`;
  return `${which}: jobs with --priority or --token-limit use one.`;
}

function linesOf(queue: QueueView): string[] {
  const { model, account, limit, ours, others, otherBatches, waitsFor, jobs } = queue;
  const rows = jobs.map(({ job, priority, granted, tokens, waiting }) => [
    job,
    priority,
    `${count(granted)} ${granted === 1 ? 'batch' : 'batches'}, ${count(tokens)} tokens`,
    waiting === 0 ? '' : `${count(waiting)} ${waiting === 1 ? 'shard waits' : 'shards wait'}`,
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  return [
    `model       ${model}`,
    `account     ${account}`,
    `limit       ${limit === null ? 'not known yet' : `${count(limit)} tokens, ${sourceOf(queue)}`}`,
    `in use      ${count(ours)} tokens by these jobs, ${count(others)} by ${count(otherBatches)} other ${otherBatches === 1 ? 'batch' : 'batches'}`,
    ...(waitsFor === null ? [] : [`waiting     ${waitsFor}`]),
    ...rows.map((row) =>
      `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
    ),
  ];
}
