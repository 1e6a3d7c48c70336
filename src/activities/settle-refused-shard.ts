import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { noCost } from '../core/token-cost.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import { doubtfulSince } from './batches/search-batch.ts';
import { toShardCounts, type ShardCounts } from './batches/shard-counts.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import type { FinalRefusal, RefusedRecord } from './step/keep-refusal.ts';

export interface RefusedRequest {
  readonly job: string;
  readonly shard: string;
  /** The number of the batch that was to be created. */
  readonly batch: number;
  /** The refusal as the workflow received it, for workers that left no record. */
  readonly refusal: FinalRefusal;
}

/**
 * Settles a shard whose file or batch the API refused for good: its lines end `failed` with the code, or a shard that is too
 * large is halved. If the batch may have been created and cannot be searched for, its lines end `answer_unavailable`.
 * Safe twice: it calls no API, and the shard's first outcome is kept.
 */
export async function settleRefusedShard(
  { store, files, observer }: Dependencies,
  request: RefusedRequest,
): Promise<ShardCounts> {
  const { job, shard } = request;
  return await withHeartbeat(async () => {
    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    const record =
      (await readRecord<RefusedRecord>(store, shardFiles.refused(job, shard))) ?? withoutRecord(request);
    const { tooLarge, status, code, text } = record;
    // A refused creation follows a search that found nothing; only a refused search leaves a batch in doubt.
    const isSearchRefused = record.reason.startsWith('GET ');
    const inDoubt = isSearchRefused && (await doubtfulSince(store, request)) !== null;
    const { outcome, first } = await files.refuseShard({
      job,
      shard,
      halve: tooLarge && !inDoubt && manifest.lines > 1,
      code: inDoubt ? 'answer_unavailable' : (code ?? (status === null ? 'refused' : `http_${status}`)),
      message: inDoubt
        ? `The batch may have been created, and the API refused the search for it: ${record.reason}`
        : (text ?? record.reason),
    });
    if (first) {
      const tokens = { input: 0, cached: 0, output: 0 };
      observer?.onShardSettled({ job, shard, model: manifest.model, outcome, tokens, amount: noCost });
    }
    return toCounts(outcome, manifest, record.reason, shard);
  });
}

function withoutRecord({ refusal }: RefusedRequest): RefusedRecord {
  const { status, code } = refusal;
  const said = code === null ? '' : ` ${code}`;
  const reason = status === null ? `the API refused its batch:${said}` : `HTTP ${status}${said}`;
  return { ...refusal, reason, text: null };
}

function toCounts(
  outcome: ShardOutcome,
  { model, lines, ranges }: ShardManifest,
  reason: string,
  shard: string,
): ShardCounts {
  const from = ranges[0]?.[0] ?? 0;
  const to = ranges.at(-1)?.[1] ?? 0;
  const where = lines === 1 ? `line ${from}` : `${lines} lines from ${from} to ${to}`;
  return {
    ...toShardCounts(model, outcome, noCost),
    // A halved shard is sent again: no line has failed.
    ...(outcome.failed === 0 ? {} : { refused: `shard ${shard}, ${where}: ${reason}` }),
  };
}
