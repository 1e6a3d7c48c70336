import { grouped } from '../core/job-description.ts';
import type { QueueView } from './queue-view.ts';

/** As many jobs as the page of a queue shows. */
const JOBS_SHOWN = 50;

/** A queue as the Web UI shows it on its workflow's page, in Markdown. */
export function queueDetails(view: QueueView): string {
  const { model, account, limit, ours, others, otherBatches, waitsFor, jobs } = view;
  const hidden = jobs.length - JOBS_SHOWN;
  return [
    `**Enqueued prompt tokens of ${model}**, account ${account}`,
    '',
    `- **limit:** ${limit === null ? 'not known yet' : `${grouped(limit)}, ${sourceOf(view)}`}`,
    `- **in use:** ${grouped(ours)} by these jobs, ${grouped(others)} by ${otherBatches} other ${otherBatches === 1 ? 'batch' : 'batches'}`,
    ...(waitsFor === null ? [] : [`- **waiting:** ${waitsFor}`]),
    ...(jobs.length === 0
      ? []
      : ['', '| job | priority | batches | tokens | waiting | tokens |', '|---|---|--:|--:|--:|--:|']),
    ...jobs
      .slice(0, JOBS_SHOWN)
      .map(
        ({ job, priority, granted, tokens, waiting, waitingTokens }) =>
          `| ${job} | ${priority} | ${grouped(granted)} | ${grouped(tokens)} | ${grouped(waiting)} | ${grouped(waitingTokens)} |`,
      ),
    ...(hidden > 0 ? ['', `and ${grouped(hidden)} more jobs`] : []),
  ].join('\n');
}

/** Who says what the limit is. */
export function sourceOf({ limitSource, limitAt }: Pick<QueueView, 'limitSource' | 'limitAt'>): string {
  const at = (limitAt ?? '').slice(0, 16).replace('T', ' ');
  if (limitSource === 'given') return `given ${at}`;
  return limitSource === 'stated' ? `stated by the API ${at}` : `learned from a refusal, ${at}`;
}
