import { grouped, usd } from '../core/job-description.ts';
import { byStatus } from '../core/job-listing.ts';
import { JobState, type JobProgress, type SettledShard, type ShardView } from '../core/progress.ts';
import type { ShardRecord } from './shard-run.ts';

/** A shard refused so often in a row is told of. */
const STUBBORN_REFUSALS = 3;

/** What the notices of a job are made from. */
export interface JobTroubles {
  /** True while the API refuses the key or the account. */
  readonly isRefused: boolean;
  /** Batches that should have ended. */
  readonly overdue: number;
  /** Batches that were created on top of others. */
  readonly duplicates: number;
  readonly active: readonly ShardRecord[];
}

/** What goes on but takes longer, or costs more, than it should: a sentence each. */
export function noticesOf({ isRefused, overdue, duplicates, active }: JobTroubles): string[] {
  const notices: string[] = [];
  if (isRefused) notices.push('asked again at growing intervals, up to 15 min; `resume` asks at once');
  if (overdue > 0)
    notices.push(
      `${overdue} ${overdue === 1 ? 'batch is' : 'batches are'} long past the time to end: waiting; only --give-up-after cancels such`,
    );
  if (duplicates > 0)
    notices.push(
      `${duplicates} ${duplicates === 1 ? 'batch was' : 'batches were'} created twice: the later ones are cancelled, and what they answered is kept`,
    );
  const stubborn = active.filter(({ refusals }) => refusals >= STUBBORN_REFUSALS);
  const wanting = stubborn.filter(({ refusedFor }) => refusedFor === 'token_limit');
  if (wanting.length > 0) {
    const alone = wanting.find(({ refusedAlone }) => (refusedAlone ?? 0) >= STUBBORN_REFUSALS);
    const more =
      alone === undefined
        ? ''
        : `; ${alone.lines} lines were refused even alone: if nobody else uses this model's allowance they are more than all of it, and the job needs a smaller --shard-lines`;
    notices.push(`${shardsIn(wanting.length)} the token allowance${more}`);
  }
  const fileless = stubborn.filter(({ refusedFor }) => refusedFor === 'file_not_found');
  if (fileless.length > 0) notices.push(`${shardsIn(fileless.length)} the API to find their files`);
  return notices;
}

/** Who has to end a pause: somebody who asked for it, whoever mends the account, or whoever gives the workers the right key. */
export type PauseCause = 'asked' | 'account' | 'lost';

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
  const { inputTokens, outputTokens, costUsd, costUsdWithoutBatch } = progress;
  const settled = progress.settled ?? [];
  const inFlight = byStatus(progress.batches).map(([status, count]) => `${grouped(count)} ${status}`);
  const rows = [
    ...progress.table.map((shard) => rowOf(shard, context.now)),
    ...settled.map((shard) => settledRowOf(shard)),
  ];
  const hidden = context.active - progress.table.length;
  return [
    `**${state}**${reason === null ? '' : `: ${plain(reason)}`}`,
    '',
    `**What to do:** ${adviceOn(progress, context.pausedFor)}`,
    '',
    '| lines | answered | failed | more run | round | shards done | tokens in | tokens out | cost | without batches |',
    '|---|---|---|---|---|---|---|---|---|---|',
    row([
      grouped(lines),
      grouped(answered),
      grouped(failed),
      grouped(running),
      grouped(round),
      `${grouped(shards.done)} of ${grouped(shards.total)}`,
      grouped(inputTokens),
      grouped(outputTokens),
      money(costUsd),
      money(costUsdWithoutBatch),
    ]),
    '',
    `**Batches:** ${inFlight.length === 0 ? 'none in flight' : `in flight ${inFlight.join(', ')}`}; ${grouped(created)} created in all`,
    ...notices.map((notice) => `\n- ${plain(notice)}`),
    ...(rows.length === 0 ? [] : ['', ...tableHead, ...rows]),
    ...(hidden > 0 ? ['', `and ${grouped(hidden)} more shards that are worked on`] : []),
    ...(settled.length === 0 ? [] : ['', 'The latest settled shards come last in the table.']),
    '',
    `*As of ${minuteOf(new Date(context.now).toISOString())}. Answered and failed of a batch in flight are the API's own counts.*`,
  ].join('\n');
}

const tableHead = [
  '| shard | state | lines | answered | failed | batch | sent, age | tokens | cost |',
  '|---|---|---|---|---|---|---|---|---|',
] as const;

function rowOf(shard: ShardView, now: number): string {
  const { id, state, lines, completed, failed, batchId, sentAt } = shard;
  const sent = sentAt === null ? '–' : `${minuteOf(sentAt)}, ${ageOf(now - Date.parse(sentAt))}`;
  return row([
    id,
    state,
    grouped(lines),
    grouped(completed),
    grouped(failed),
    batchId ?? '–',
    sent,
    '–',
    '–',
  ]);
}

function settledRowOf(shard: SettledShard): string {
  const { id, lines, answered, failed, again, batchId, sentAt, settledAt, inputTokens, outputTokens } = shard;
  const took = sentAt === null ? '' : `, took ${ageOf(Date.parse(settledAt) - Date.parse(sentAt))}`;
  return row([
    id,
    again === 0 ? 'settled' : `settled, ${grouped(again)} go again`,
    grouped(lines),
    grouped(answered),
    grouped(failed),
    batchId,
    `${minuteOf(sentAt ?? settledAt)}${took}`,
    grouped(inputTokens + outputTokens),
    money(shard.costUsd),
  ]);
}

/** One sentence for whoever looks and wonders. */
function adviceOn({ jobId, state, reason }: JobProgress, pausedFor: PauseCause): string {
  switch (state) {
    case JobState.Building:
      return 'nothing; the input is read and checked, and nothing has been sent yet.';
    case JobState.Running:
      return `nothing; \`durable-batch pause ${jobId}\` stops sending, \`durable-batch cancel ${jobId}\` ends the job and keeps what was answered.`;
    case JobState.Paused:
      if (pausedFor === 'account')
        return `mend the key or the account's billing; then the job goes on by itself within 15 minutes, or at once after \`durable-batch resume ${jobId}\`. Another key needs its workers started with it. Batches in flight go on.`;
      return pausedFor === 'lost'
        ? `start the workers with the OPENAI_API_KEY and OPENAI_BASE_URL that the batches were created with, then \`durable-batch resume ${jobId}\`.`
        : `\`durable-batch resume ${jobId}\` goes on. Batches in flight go on and are fetched meanwhile.`;
    case JobState.Cancelling:
      return reason === null
        ? 'nothing; batches in flight are cancelled at the API and awaited, and their answers are kept.'
        : `mend what the reason names: batches in flight can be cancelled, and their answers kept, only when the API accepts the key.`;
    case JobState.Assembling:
      return 'nothing; the rows of all shards are joined into results.jsonl.';
    case JobState.Done:
      return `fetch the results: \`durable-batch results ${jobId} --out DIR\`.`;
    default:
      return state satisfies never;
  }
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Text from outside that must not end a cell or begin another block. */
function plain(text: string): string {
  return text.replaceAll(/[\r\n|]+/g, ' ').slice(0, 1_000);
}

function money(amount: number | null): string {
  return amount === null ? 'unknown' : usd(amount);
}

/** ISO 8601 to the minute, in UTC. */
function minuteOf(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)}Z`;
}

function ageOf(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1_000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function shardsIn(count: number): string {
  return `${count} ${count === 1 ? 'shard waits' : 'shards wait'} for`;
}
