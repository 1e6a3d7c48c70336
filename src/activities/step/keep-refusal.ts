import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import { apiText } from '../../openai/failure.ts';
import { shardFiles } from '../../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';

/** The API's final refusal of a shard's file or batch. Its text may quote a prompt and stays in the store. */
export interface RefusedRecord {
  /** The message of this package: the call, the status and the code. */
  readonly reason: string;
  readonly tooLarge: boolean;
  /** HTTP status; null if there is none. */
  readonly status: number | null;
  readonly code: string | null;
  /** The text of the API; null if it sent none. */
  readonly text: string | null;
}

/** The part of a refusal that may leave the store: without the text. */
export type FinalRefusal = Pick<RefusedRecord, 'tooLarge' | 'status' | 'code'>;

/** Returns the API's final refusal of a shard; null if there is none. */
export async function readRefusal(store: Store, job: string, shard: string): Promise<FinalRefusal | null> {
  const record = await readRecord<RefusedRecord>(store, shardFiles.refused(job, shard));
  if (record === null) return null;
  const { tooLarge, status, code } = record;
  return { tooLarge, status, code };
}

/**
 * Runs the upload or the creation of a shard's batch, and records a final refusal in the store. A shard with a recorded
 * refusal is refused again without a call, so all attempts, and all runs of the job, get the same result.
 */
export async function recordingRefusal<T>(
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
    if (error instanceof ApplicationFailure && isFinalRefusal(error.type)) {
      const { status = null, code = null } = (error.details?.[0] ?? {}) as Partial<RefusedRecord>;
      await claimRecord<RefusedRecord>(store, key, {
        reason: error.message.split(';')[0]!, // without the advice, which is for failed steps
        tooLarge: error.type === FailureType.InputTooLarge,
        status,
        code,
        text: apiText(error),
      });
    }
    throw error;
  }
}

function isFinalRefusal(type: string | null | undefined): boolean {
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
