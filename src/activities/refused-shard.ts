import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import { doubtfulSince } from './create-batch.ts';
import type { Dependencies } from './dependencies.ts';
import type { ShardCounts } from './fetch-results.ts';
import { whileBeating } from './heartbeat.ts';
import { apiText } from '../openai/failure.ts';

/** How the API refused a shard's file or batch for good. Its text may quote a prompt: it stays in the store. */
interface RefusedRecord {
  /** Our own message: the call, the status and the code. */
  readonly reason: string;
  readonly tooLarge: boolean;
  /** HTTP status; null where there is none. */
  readonly status: number | null;
  readonly code: string | null;
  /** What the API said; null where it said nothing. */
  readonly text: string | null;
}

/** The same as far as it may be told: without a text. */
export type FinalRefusal = Pick<RefusedRecord, 'tooLarge' | 'status' | 'code'>;

export interface RefusedRequest {
  readonly job: string;
  readonly shard: string;
  /** Which of the shard's batches was to be created. */
  readonly batch: number;
  /** As the workflow knows it, for workers that left no record. */
  readonly refusal: FinalRefusal;
}

/** How the API refused a shard for good; null where it has not. */
export async function readRefusal(store: Store, job: string, shard: string): Promise<FinalRefusal | null> {
  const record = await readRecord<RefusedRecord>(store, shardFiles.refused(job, shard));
  if (record === null) return null;
  const { tooLarge, status, code } = record;
  return { tooLarge, status, code };
}

/**
 * Runs the upload or the create of a shard and keeps a final refusal in the store. A shard with a refusal on record is
 * refused again without a call, so that all attempts, and all histories of the job, see the same end.
 */
export async function keepingRefusal<T>(
  store: Store,
  { job, shard }: Pick<RefusedRequest, 'job' | 'shard'>,
  step: () => Promise<T>,
): Promise<T> {
  const key = shardFiles.refused(job, shard);
  const known = await readRecord<RefusedRecord>(store, key);
  if (known !== null) throw refusedAgain(known);
  try {
    return await step();
  } catch (error) {
    if (error instanceof ApplicationFailure && isKept(error.type)) {
      const { status = null, code = null } = (error.details?.[0] ?? {}) as Partial<RefusedRecord>;
      await claimRecord<RefusedRecord>(store, key, {
        reason: error.message.split(';')[0]!, // the advice behind it is for steps that fail
        tooLarge: error.type === FailureType.InputTooLarge,
        status,
        code,
        text: apiText(error),
      });
    }
    throw error;
  }
}

function isKept(type: string | null | undefined): boolean {
  return type === FailureType.RequestRefused || type === FailureType.InputTooLarge;
}

function refusedAgain({ reason, tooLarge, status, code }: RefusedRecord): ApplicationFailure {
  return ApplicationFailure.create({
    type: tooLarge ? FailureType.InputTooLarge : FailureType.RequestRefused,
    message: reason,
    nonRetryable: true,
    details: [{ status, code }],
  });
}

/**
 * Settles a shard whose file or batch the API refused for good: its lines end `failed` with the code, a shard that is
 * too large is halved. Lines of a batch that may have been created and cannot be looked for end `answer_unavailable`.
 * Safe twice: it calls no API, and the shard's first outcome is kept.
 */
export async function settleRefusedShard(
  { store, files, observer }: Dependencies,
  request: RefusedRequest,
): Promise<ShardCounts> {
  const { job, shard } = request;
  return await whileBeating(async () => {
    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    const record =
      (await readRecord<RefusedRecord>(store, shardFiles.refused(job, shard))) ?? withoutRecord(request);
    const { tooLarge, status, code, text } = record;
    // A create that is refused comes after a search that found nothing; only a refused search leaves the doubt.
    const isSearchRefused = record.reason.startsWith('GET ');
    const inDoubt = isSearchRefused && (await doubtfulSince(store, request)) !== null;
    const { outcome, first } = await files.refuseShard({
      job,
      shard,
      halve: tooLarge && !inDoubt && manifest.lines > 1,
      code: inDoubt ? 'answer_unavailable' : (code ?? (status === null ? 'refused' : `http_${status}`)),
      message: inDoubt
        ? `The batch may have been created, and the API refused to say so: ${record.reason}`
        : (text ?? record.reason),
    });
    if (first) {
      const tokens = { input: 0, cached: 0, output: 0 };
      observer?.onShardSettled({ job, shard, model: manifest.model, outcome, tokens, price: nothing });
    }
    return toCounts(outcome, manifest, record.reason, shard);
  });
}

const nothing = { batchUsd: 0, listUsd: 0 } as const;

function withoutRecord({ refusal }: RefusedRequest): RefusedRecord {
  const { status, code } = refusal;
  const reason = `HTTP ${status ?? 'unknown'}${code === null ? '' : ` ${code}`}`;
  return { ...refusal, reason, text: null };
}

function toCounts(
  { answered, failed, again }: ShardOutcome,
  { lines, ranges }: ShardManifest,
  reason: string,
  shard: string,
): ShardCounts {
  const from = ranges[0]?.[0] ?? 0;
  const to = ranges.at(-1)?.[1] ?? 0;
  const where = lines === 1 ? `line ${from}` : `${lines} lines from ${from} to ${to}`;
  return {
    answered,
    failed,
    again: again.length,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    costUsd: 0,
    costUsdWithoutBatch: 0,
    cost: '0',
    // A shard that was halved is sent again: no line has failed.
    ...(failed === 0 ? {} : { refused: `shard ${shard}, ${where}: ${reason}` }),
  };
}
