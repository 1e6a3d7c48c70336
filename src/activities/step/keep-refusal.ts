import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import { apiText } from '../../openai/failure.ts';
import { shardFiles } from '../../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';

/** How the API refused a shard's file or batch for good. Its text may quote a prompt: it stays in the store. */
export interface RefusedRecord {
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
  { job, shard }: { readonly job: string; readonly shard: string },
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
