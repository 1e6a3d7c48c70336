import { grouped } from '../core/job-description.ts';
import type { WatchTroubles } from './batches-in-flight.ts';
import type { ShardRecord } from './shard-record.ts';

/** A shard that was refused this often in a row gets a notice. */
const STUBBORN_REFUSALS = 3;

/** What the notices of a job report. */
export interface JobTroubles {
  /** True while the API refuses the key or the account. */
  readonly isRefused: boolean;
  /** Batches that should have ended. */
  readonly overdue: number;
  /** Batches that were created on top of others. */
  readonly duplicates: number;
  readonly active: readonly ShardRecord[];
  /** Shards that the API refused for good, a sentence for each of the first ones. */
  readonly refused: readonly string[];
  readonly refusedShards: number;
  /** What prevents batches from being read. */
  readonly watch?: WatchTroubles;
}

/** What takes longer, or costs more, than it should, although the job continues: a sentence each. */
export function noticesOf({
  isRefused,
  overdue,
  duplicates,
  active,
  refused,
  refusedShards,
  watch,
}: JobTroubles): string[] {
  const notices: string[] = [];
  if (isRefused)
    notices.push('the account is probed at growing intervals, up to 15 min; `resume` probes it at once');
  if (overdue > 0)
    notices.push(
      `${overdue} ${overdue === 1 ? 'batch is' : 'batches are'} long past the time to end: waiting; only \`--give-up-after\` cancels such`,
    );
  if (duplicates > 0)
    notices.push(
      `${duplicates} ${duplicates === 1 ? 'batch was' : 'batches were'} created twice: the later ones are cancelled, and their answers are kept`,
    );
  if (watch !== undefined) notices.push(...watchNotices(watch));
  const stubborn = active.filter(({ refusals }) => refusals >= STUBBORN_REFUSALS);
  const wanting = stubborn.filter(({ refusedFor }) => refusedFor === 'token_limit');
  if (wanting.length > 0) {
    const alone = wanting.find(({ refusedAlone }) => (refusedAlone ?? 0) >= STUBBORN_REFUSALS);
    const more =
      alone === undefined
        ? ''
        : `; ${alone.lines} lines were refused even alone: if no other application uses this model's allowance, they exceed all of it, and the job needs a smaller \`--shard-lines\``;
    notices.push(`${shardsIn(wanting.length)} the token allowance${more}`);
  }
  const fileless = stubborn.filter(({ refusedFor }) => refusedFor === 'file_not_found');
  if (fileless.length > 0) notices.push(`${shardsIn(fileless.length)} the API to find their files`);
  for (const shard of refused) notices.push(`the API refused ${shard}`);
  if (refusedShards > refused.length)
    notices.push(`the API refused ${grouped(refusedShards - refused.length)} more shards`);
  return notices;
}

function watchNotices({ unread, uncancelled, failure, unknownStatuses }: WatchTroubles): string[] {
  const notices: string[] = [];
  if (failure !== null) notices.push(`the batches cannot be read: ${failure}; retried every minute`);
  if (unread > 0) notices.push(`${batchesIn(unread)} could not be read for 10 min: retried at each poll`);
  if (uncancelled > 0)
    notices.push(`${batchesIn(uncancelled)} could not be cancelled yet: retried before each poll`);
  if (unknownStatuses.length > 0)
    notices.push(
      `the API shows a batch status that is not known here (${unknownStatuses.join(', ')}): such a batch counts as completed once it names a file and its counts do not say otherwise, until then as running`,
    );
  return notices;
}

function batchesIn(count: number): string {
  return `${count} ${count === 1 ? 'batch' : 'batches'}`;
}

function shardsIn(count: number): string {
  return `${count} ${count === 1 ? 'shard waits' : 'shards wait'} for`;
}
