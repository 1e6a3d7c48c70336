import type { JobProgress } from '../core/progress.ts';
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

/** A job's progress as the Web UI shows it on the job's page, in Markdown. */
export function detailsOf(progress: JobProgress): string {
  const { state, round, lines, answered, failed, shards, created, reason, notices } = progress;
  return [
    `**${state}**${reason === null ? '' : `: ${reason}`}`,
    '',
    '| round | lines | answered | failed | shards done | in flight | batches created |',
    '|---|---|---|---|---|---|---|',
    `| ${round} | ${lines} | ${answered} | ${failed} | ${shards.done} of ${shards.total} | ${shards.inFlight} | ${created} |`,
    ...notices.map((notice) => `\n- ${notice}`),
  ].join('\n');
}

function shardsIn(count: number): string {
  return `${count} ${count === 1 ? 'shard waits' : 'shards wait'} for`;
}
