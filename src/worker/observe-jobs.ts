import { log } from '@temporalio/activity';
import { shardRound } from '../core/shard-plan.ts';
import { exactUsd, priceOf } from '../core/token-cost.ts';
import type { JobObserver } from '../activities/step/job-observer.ts';
import type { JobMetrics } from './job-metrics.ts';

/** Writes what activities report to logs and metrics; docs/metrics.md lists the events and their fields. */
export function observeJobs(metrics: JobMetrics): JobObserver {
  return {
    onRejectedLines({ job, lines }) {
      metrics.lines('rejected', lines);
      log.warn('input lines rejected', { event: 'lines_rejected', job, lines });
    },
    onUploaded({ job, shard, bytes }) {
      metrics.transferred('up', bytes);
      log.info('requests uploaded', { event: 'requests_uploaded', job, shard, bytes });
    },
    onDownloaded: ({ bytes }) => metrics.transferred('down', bytes),
    onBatchCreated(created) {
      metrics.batchCreated(created.adopted ? 'adopted' : 'created');
      log.info('batch created', { event: 'batch_created', ...created });
    },
    onPolled({ job, batches, seconds }) {
      metrics.polled(seconds);
      log.debug('batches polled', { event: 'batches_polled', job, batches, seconds });
    },
    onBatchEnded(ended) {
      metrics.batchEnded(ended.status);
      if (ended.refusal === null) log.info('batch ended', { event: 'batch_ended', ...ended });
      else {
        metrics.batchRefused(ended.refusal);
        log.warn('batch refused', { event: 'batch_refused', ...ended });
      }
    },
    onDuplicateFound(found) {
      metrics.duplicate();
      log.warn('batch created twice', { event: 'batch_duplicate', ...found });
    },
    onShardSettled({ job, shard, model, outcome, tokens, amount }) {
      const { answered, failed, again } = outcome;
      metrics.lines('answered', answered);
      metrics.lines('failed', failed);
      metrics.lines('again', again.length);
      for (const [code, count] of Object.entries(outcome.errors)) metrics.lineErrors(code, count);
      for (const kind of ['input', 'cached', 'output'] as const) metrics.tokens(model, kind, tokens[kind]);
      const exact = exactUsd(amount);
      if (exact !== null) {
        const of = { model, round: shardRound(shard) };
        metrics.cost({ ...of, price: 'batch' }, exact.batchUsd);
        metrics.cost({ ...of, price: 'list' }, exact.listUsd);
      }
      log.info('shard settled', {
        event: 'shard_settled',
        job,
        shard,
        model,
        answered,
        failed,
        again: again.length,
        inputTokens: tokens.input,
        outputTokens: tokens.output,
        costUsd: priceOf(amount)?.batchUsd ?? null,
      });
    },
    onJobEnded({ job, report }) {
      const { answered, failed, cancelled, rounds, batches, cost_usd: costUsd } = report;
      metrics.lines('cancelled', cancelled);
      metrics.jobEnded(cancelled > 0 ? 'cancelled' : failed > 0 ? 'some_failed' : 'answered');
      log.info('job ended', {
        event: 'job_ended',
        job,
        answered,
        failed,
        cancelled,
        rounds,
        batches,
        costUsd,
      });
    },
  };
}
