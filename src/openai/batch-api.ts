import { ApplicationFailure } from '@temporalio/common';
import type OpenAI from 'openai';
import { toApiBatch, type ApiBatch } from './api-batch.ts';
import {
  callApi,
  idOf,
  isAccountRefused,
  isFinal,
  isNoSuchCall,
  isNotFound,
  isRefusal,
  notTheApi,
  toFailure,
} from './failure.ts';
import { fileSize, openFile, seesFile } from './files.ts';
import { toMetadata, type BatchLabels } from './labels.ts';
import { visitBatches, type ListLimits } from './list-batches.ts';
import { uploadFile, type FileToUpload } from './upload-file.ts';

/** A batch that is to be created. */
export interface BatchOrder {
  readonly fileId: string;
  readonly endpoint: string;
  readonly labels: Record<keyof BatchLabels, string>;
}

/** How long one call may take. */
interface CallLimits {
  readonly signal?: AbortSignal;
  /** In ms. @default that of the SDK */
  readonly timeout?: number;
}

/** A list that hangs is not waited for when a key is checked: that step has a minute. */
const CHECK_MS = 20_000;

/**
 * The Batch API as a job needs it: all that activities call. Each call is made once, and what it throws is a failure of
 * `core/failure.ts` that says whether to try again; the README of this folder says what each promises.
 */
export class BatchApi {
  private readonly client: OpenAI;
  private readonly patience: number;

  /**
   * @param client of the SDK; used without its own retries, since a POST that it sends again can create a second batch
   * @param patience see `Dependencies.patience`
   */
  constructor(client: OpenAI, patience: number) {
    this.client = client.maxRetries === 0 ? client : client.withOptions({ maxRetries: 0 });
    this.patience = patience;
  }

  /** Where batches live; it may hold credentials. */
  get baseURL(): string {
    return this.client.baseURL;
  }

  /** Uploads the input of a batch, whole; returns the file's id. Twice makes two files, which cost nothing. */
  async uploadFile(file: FileToUpload, signal: AbortSignal): Promise<string> {
    return await uploadFile(this.client, file, { signal, patience: this.patience });
  }

  /** Whether the key sees a file; null when the server shows no file by itself or has no list of them. */
  async seesFile(fileId: string, signal: AbortSignal): Promise<boolean | null> {
    return await seesFile(this.client, fileId, signal);
  }

  /** The size that the API names for a file, a hint; null when it does not say, or refuses to. */
  async fileSize(fileId: string, signal: AbortSignal): Promise<number | null> {
    return await fileSize(this.client, fileId, signal);
  }

  /**
   * The bytes of a file; null when the API does not have it any more, or refuses it for good. A body that stalls, breaks off
   * or is shorter than its header says ends in a failure.
   */
  async openFile(fileId: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
    return await openFile(this.client, fileId, { signal, patience: this.patience });
  }

  /**
   * Creates a batch, with one POST. A failure for which `isRefusal` is true has created none; after any other one a batch may be
   * there. It is not cut off when its activity is: whoever is told the new batch's id can still cancel it.
   */
  async postBatch({ fileId, endpoint, labels }: BatchOrder): Promise<ApiBatch> {
    return await callApi('POST /batches', async () => {
      const created = await this.client.batches.create({
        input_file_id: fileId,
        endpoint: endpoint as OpenAI.BatchCreateParams['endpoint'],
        completion_window: '24h',
        metadata: toMetadata(labels),
      });
      idOf(created, 'POST /batches');
      return toApiBatch(created);
    });
  }

  /** A batch as it is by itself, which is what decides: lists may be stale, or of summaries. Null when the API does not know it. */
  async readBatch(batchId: string, limits: CallLimits): Promise<ApiBatch | null> {
    try {
      const batch = await this.client.batches.retrieve(batchId, limits);
      if (batch?.id !== batchId) throw notTheApi('GET /batches/{id}');
      return toApiBatch(batch);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw toFailure(error, 'GET /batches/{id}');
    }
  }

  /** Visits the account's batches, newest first, until `stop` is returned, or the list ends or repeats itself. */
  async visitBatches(
    visit: (batch: ApiBatch) => 'go on' | 'stop',
    signal: AbortSignal,
    limits: ListLimits = {},
  ): Promise<void> {
    await visitBatches(this.client, visit, signal, limits);
  }

  /** Asks for the end of a batch. One that has ended (409), is not known, or cannot be cancelled there needs none. */
  async postCancel(batchId: string, signal: AbortSignal): Promise<void> {
    try {
      const cancelled = await this.client.batches.cancel(batchId, { signal });
      idOf(cancelled, 'POST /batches/{id}/cancel'); // a proxy's "fine" has cancelled nothing
    } catch (error) {
      const failure = toFailure(error, 'POST /batches/{id}/cancel');
      const isRefused =
        isNoSuchCall(error) || (isRefusal(error) && (error as { status?: number }).status !== 429);
      if (isRefused && !isAccountRefused(failure)) return;
      throw failure;
    }
  }

  /**
   * Fails where the API refuses the key. It reads one batch of the list; where the list does not work, one file. It cannot see a
   * billing limit, which the API mentions only where something is bought.
   */
  async checkKey(signal: AbortSignal): Promise<void> {
    const one = { limit: 1 };
    const limits = { signal, timeout: CHECK_MS };
    try {
      await callApi('GET /batches', () => this.client.batches.list(one, limits));
    } catch (error) {
      if (!(error instanceof ApplicationFailure) || (isAccountRefused(error) && !concernsCall(error)))
        throw error;
      try {
        await callApi('GET /files', () => this.client.files.list(one, limits));
      } catch (other) {
        // A server without that route has not refused the key.
        if (!isFinal(other) || isAccountRefused(other)) throw other;
        if (isAccountRefused(error)) throw error;
      }
    }
  }
}

/** 403 may concern the list alone. */
function concernsCall(error: ApplicationFailure): boolean {
  const [answer] = (error.details ?? []) as ({ status?: unknown } | undefined)[];
  return answer?.status === 403;
}
