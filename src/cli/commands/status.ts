import type { Command } from 'commander';
import { BatchClient, type JobStatus } from '../../client/index.ts';
import type { RoundCost } from '../../core/cost-sums.ts';
import type { ListedProgress } from '../../core/job-listing.ts';
import { usd } from '../../core/number-format.ts';
import { describeReport, count } from '../render.ts';
import { toJson } from '../to-json.ts';
import { problemOf } from '../job-problem.ts';

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show the status of a job')
    .argument('<job>', 'id of the job')
    .option('--json', 'print JSON')
    .action(async (jobId: string, flags: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      const job = client.job(jobId);
      const status = await job.status();
      if (flags.json === true) {
        process.stdout.write(`${toJson(status)}\n`);
        return;
      }
      const { progress, failure, report, listed, account, schedule } = status;
      const rows = [`job         ${jobId}`, statusRow(status)];
      if (account !== null) rows.push(`account     ${account}`);
      if (schedule !== null) rows.push(`schedule    ${schedule}`);
      if (report !== null)
        rows.push(describeReport(await job.named(report)), ...costRows(progress?.costs ?? []));
      else if (failure !== null) rows.push(`reason      ${failure}`);
      else if (progress === null && status.status === 'RUNNING')
        rows.push(...(listed === null ? [] : describeListed(listed)), problemOf(status)!);
      else if (progress !== null) {
        rows.push(
          `state       ${progress.state}${progress.reason === null ? '' : `: ${progress.reason}`}`,
          `lines       ${count(progress.lines)}: ${count(progress.answered)} answered, ${count(progress.failed)} failed, ${count(progress.running)} more done at the API`,
          `started     ${progress.startedAt}`,
          `round       ${progress.round}`,
          `shards      ${progress.shards.done} done, ${progress.shards.inFlight} in flight, ${progress.shards.waiting} waiting`,
          ...batchRow(progress.batches),
          `tokens      ${count(progress.inputTokens)} in, ${count(progress.outputTokens)} out`,
          `cost        ${costOf(progress.costUsd, progress.costUsdWithoutBatch)}`,
          ...costRows(progress.costs ?? []),
          // A worker of version 0.1 sends no notices.
          ...(progress.notices ?? []).map((notice) => `note        ${notice}`),
        );
      }
      for (const { activity, attempt, reason, waits } of status.retries)
        rows.push(
          waits
            ? `waiting     ${activity}: ${reason}`
            : `retrying    ${activity}, attempt ${attempt}: ${reason}`,
        );
      process.stdout.write(`${rows.join('\n')}\n`);
    });
}

/** A job that has ended shows its state: the server's status is `completed` for every end with results. */
function statusRow({ status, state }: JobStatus): string {
  return `status      ${status === 'COMPLETED' ? state : status.toLowerCase()}`;
}

/** The progress in the server's list, for a job without a worker. */
function describeListed(listed: ListedProgress): string[] {
  const { state, lines, answered, failed, batches, inputTokens, outputTokens, costUsd } = listed;
  return [
    `last known  ${state}`,
    `lines       ${count(lines)}: ${count(answered)} answered, ${count(failed)} failed`,
    ...batchRow(batches),
    `tokens      ${count(inputTokens)} in, ${count(outputTokens)} out`,
    `cost        ${costOf(costUsd, null)}`,
  ];
}

function batchRow(batches: Readonly<Record<string, number>>): string[] {
  const parts = Object.entries(batches).map(([status, n]) => `${count(n)} ${status}`);
  return parts.length === 0 ? [] : [`batches     ${parts.join(', ')}`];
}

/** The cost by model and round, if there are several; `--json` has more than these. */
function costRows(costs: readonly RoundCost[]): string[] {
  if (costs.length < 2) return [];
  const rows = costs.slice(0, COSTS_LISTED).map(({ model, round, costUsd, costUsdWithoutBatch }) => {
    const what = model === null ? 'all others' : `${model}, round ${round}`;
    return `${what}: ${costOf(costUsd, costUsdWithoutBatch)}`;
  });
  const more = costs.length - COSTS_LISTED;
  const all = [...rows, ...(more > 0 ? [`and ${count(more)} more`] : [])];
  return all.map((row, i) => `${i === 0 ? 'by round' : '        '}    ${row}`);
}

const COSTS_LISTED = 20;

function costOf(batchUsd: number | null | undefined, listUsd: number | null | undefined): string {
  // A worker of version 0.1 sends none.
  if (batchUsd == null) return 'unknown';
  return listUsd == null ? usd(batchUsd) : `${usd(batchUsd)} (${usd(listUsd)} without batches)`;
}
