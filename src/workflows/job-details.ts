import type { RoundCost } from '../core/cost-sums.ts';
import { grouped, usd } from '../core/job-description.ts';
import { byStatus } from '../core/job-listing.ts';
import { JobState, type JobProgress, type SettledShard, type ShardView } from '../core/progress.ts';

/** Models and rounds whose cost the page lists. */
const COSTS_LISTED = 10;

const NBSP = '\u00A0';

/** Why a job is paused: a user asked for it, the account is refused, a batch is unknown to the API, or a step fails and no retry helps. */
export type PauseCause = 'asked' | 'account' | 'lost' | 'stuck';

/** What progress does not say of itself. */
export interface DetailsContext {
  /** The workflow's clock, in ms. */
  readonly now: number;
  /** Shards that are worked on; the table holds the first of them. */
  readonly active: number;
  readonly pausedFor: PauseCause;
}

/**
 * A job's progress as the Web UI shows it on the job's page, in Markdown: state and what to do, sums, and a table of
 * shards. Its length is bounded by the rows of the table, some 10 kB; the server hands it out as a query's answer.
 */
export function detailsOf(progress: JobProgress, context: DetailsContext): string {
  const { state, round, lines, answered, failed, running, shards, created, reason, notices } = progress;
  const { inputTokens, outputTokens, costUsd, costUsdWithoutBatch, costs = [] } = progress;
  const settled = progress.settled ?? [];
  const inFlight = byStatus(progress.batches).map(([status, count]) => `${grouped(count)} ${status}`);
  const rows = [
    ...progress.table.map((shard) => rowOf(shard, context.now)),
    ...settled.map((shard) => settledRowOf(shard)),
  ];
  const hidden = context.active - progress.table.length;
  const others =
    state === JobState.Cancelled
      ? `${grouped(lines - answered - failed)} cancelled`
      : `${grouped(running)} more done at the API`;
  return [
    `**${state}**${reason === null ? '' : `: ${plain(reason)}`}`,
    '',
    `**What to do:** ${adviceOn(progress, context.pausedFor)}`,
    '',
    `- **lines:** ${grouped(lines)}; ${grouped(answered)} answered, ${grouped(failed)} failed, ${others}`,
    `- **shards:** ${grouped(shards.done)} of ${grouped(shards.total)} done in round ${grouped(round)}`,
    `- **batches:** ${inFlight.length === 0 ? 'none in flight' : `in flight ${inFlight.join(', ')}`}; ${grouped(created)} created in all`,
    `- **tokens:** ${grouped(inputTokens)} in, ${grouped(outputTokens)} out`,
    `- **cost:** ${money(costUsd)} (${money(costUsdWithoutBatch)} without batches)`,
    ...(costs.length > 1 ? costs.slice(0, COSTS_LISTED).map(costLine) : []),
    ...(costs.length > COSTS_LISTED
      ? [`    - and ${grouped(costs.length - COSTS_LISTED)} more models and rounds`]
      : []),
    ...notices.map((notice) => `- **note:** ${plain(notice)}`),
    ...(rows.length === 0 ? [] : ['', ...tableHead, ...rows]),
    ...(hidden > 0 ? ['', `and ${grouped(hidden)} more shards that are worked on`] : []),
    ...(settled.length === 0 ? [] : ['', 'The latest settled shards come last.']),
    '',
    `*As of ${new Date(context.now).toISOString().slice(0, 10)} ${timeOf(new Date(context.now).toISOString())}. Answered and failed of a batch in flight are the API's own counts.*`,
  ].join('\n');
}

/** A job with one model and one round has its cost in the line before. */
function costLine({ model, round, costUsd, costUsdWithoutBatch }: RoundCost): string {
  const what = model === null ? 'all others' : `${plain(model.slice(0, 100))}, round ${round}`;
  return `    - ${what}: ${money(costUsd)} (${money(costUsdWithoutBatch)} without batches)`;
}

const tableHead = [
  // As wide as an id: browsers would break that at its hyphen.
  row(['shard'.padEnd(12), 'state', 'lines', 'answered', 'failed', 'sent, age', 'tokens', 'USD', 'batch']),
  '|---|---|--:|--:|--:|---|--:|--:|---|',
] as const;

function rowOf(shard: ShardView, now: number): string {
  const { id, state, lines, completed, failed, batchId, sentAt } = shard;
  const sent = sentAt === null ? '–' : `${timeOf(sentAt)}, ${ageOf(now - Date.parse(sentAt))}`;
  const counts = [lines, completed, failed].map((count) => grouped(count));
  return row([id, state, ...counts, sent, '–', '–', batchId ?? '–']);
}

function settledRowOf(shard: SettledShard): string {
  const { id, lines, answered, failed, again, batchId, sentAt, settledAt, costUsd } = shard;
  const sent = sentAt ?? settledAt; // records of version 0.1 say only when they were settled
  return row([
    id,
    again === 0 ? 'settled' : `settled, ${grouped(again)} go again`,
    ...[lines, answered, failed].map((count) => grouped(count)),
    `${timeOf(sent)}, took ${ageOf(Date.parse(settledAt) - Date.parse(sent))}`,
    grouped(shard.inputTokens + shard.outputTokens),
    costUsd === null ? 'unknown' : usd(costUsd).slice(1),
    batchId,
  ]);
}

/** One sentence on what the user has to do. */
function adviceOn({ jobId, state, reason }: JobProgress, pausedFor: PauseCause): string {
  switch (state) {
    case JobState.Building:
      return 'nothing; the input is read and checked, and nothing has been sent yet.';
    case JobState.Running:
      return `nothing; \`durable-batch pause ${jobId}\` stops sending, \`durable-batch cancel ${jobId}\` ends the job and keeps what was answered.`;
    case JobState.Paused:
      if (pausedFor === 'account')
        return `fix the key or the account's billing; then the job continues automatically within 15 minutes, or at once after \`durable-batch resume ${jobId}\`. Another key needs its workers started with it. Batches in flight continue.`;
      if (pausedFor === 'stuck')
        return `fix what the reason names, then \`durable-batch resume ${jobId}\` tries the step again. Batches in flight continue and are read.`;
      return pausedFor === 'lost'
        ? `start the workers with the OPENAI_API_KEY and OPENAI_BASE_URL that the batches were created with, then \`durable-batch resume ${jobId}\`.`
        : `\`durable-batch resume ${jobId}\` continues the job. Batches in flight continue and are fetched meanwhile.`;
    case JobState.Cancelling:
      return reason === null
        ? 'nothing; batches in flight are cancelled at the API and awaited, and their answers are kept.'
        : `fix what the reason names: batches in flight can be cancelled, and their answers kept, only when the API accepts the key.`;
    case JobState.Assembling:
      return 'nothing; the rows of all shards are joined into results.jsonl.';
    case JobState.Done:
      return `fetch the results: \`durable-batch results ${jobId} --out DIR\`.`;
    case JobState.Cancelled:
      return `fetch the rows of all lines, with the answers that were kept: \`durable-batch results ${jobId} --out DIR\`. The job stays cancelled.`;
    case JobState.Failed:
      return `see why every line has failed: \`durable-batch results ${jobId} --out DIR\` writes their errors and the report. Fix the cause, then start a new job with \`--fresh\`.`;
    default:
      return state satisfies never;
  }
}

/** The Web UI sets cells without any room between them: no-break spaces keep numbers apart and texts in one line. */
function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => `${cell.replaceAll(' ', NBSP)}${NBSP}`).join(' | ')} |`;
}

/** Text from outside, which must be read as it is; code in backquotes stays code. The Web UI takes dollars for formulas. */
function plain(text: string): string {
  const line = text.replaceAll(/[\r\n|]+/g, ' ').slice(0, 1_000);
  return line.replaceAll(/[$*<>[\]~\\]/g, '\\$&');
}

function money(amount: number | null): string {
  return amount === null ? 'unknown' : `${usd(amount).slice(1)} USD`; // dollars begin formulas there
}

/** The time of day of an ISO 8601 time, in UTC; the age next to it shows the day. */
function timeOf(iso: string): string {
  return `${iso.slice(11, 16)}Z`;
}

function ageOf(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1_000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
