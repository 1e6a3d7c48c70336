import { createHash } from 'node:crypto';
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
  unexpectedResponse,
  toFailure,
} from './failure.ts';
import { fileSize, openFile, isFileVisible } from './files.ts';
import { toMetadata, type BatchMetadata } from './batch-metadata.ts';
import { visitBatches, type ListLimits } from './list-batches.ts';
import { uploadFile, type FileToUpload } from './upload-file.ts';

/** Parameters of a batch to create. */
export interface NewBatch {
  readonly fileId: string;
  readonly endpoint: string;
  readonly metadata: Record<keyof BatchMetadata, string>;
}

/** Limits of one call. */
interface CallLimits {
  readonly signal?: AbortSignal;
  /** Timeout in ms. @default that of the SDK */
  readonly timeout?: number;
}

/** Timeout of each call of `checkKey`, whose activity has a minute. */
const CHECK_MS = 20_000;

/**
 * The Batch API for activities. Each call is made once. It throws a failure of `core/failure.ts`, which decides about the retry.
 * The README of this folder lists the guarantees of each method.
 */
export class BatchApi {
  private readonly client: OpenAI;
  private readonly patience: number;

  /**
   * @param client the SDK's client; used without its own retries, since a repeated POST can create a second batch
   * @param patience see `Dependencies.patience`
   */
  constructor(client: OpenAI, patience: number) {
    this.client = client.maxRetries === 0 ? client : client.withOptions({ maxRetries: 0 });
    this.patience = patience;
  }

  /** The base URL of the API; it may contain credentials. */
  get baseURL(): string {
    return this.client.baseURL;
  }

  /** Identifies the key at its base URL without revealing it: 12 hexadecimal digits. A rotated key has another one. */
  get keyFingerprint(): string {
    const { apiKey, baseURL } = this.client;
    return createHash('sha256').update(`${baseURL}\n${apiKey}`).digest('hex').slice(0, 12);
  }

  /** Uploads the input of a batch and returns the file's id. A repeated call creates a second file, which costs nothing. */
  async uploadFile(file: FileToUpload, signal: AbortSignal): Promise<string> {
    return await uploadFile(this.client, file, { signal, patience: this.patience });
  }

  /** Whether the key can read a file; null if the server cannot return single files or has no list of files. */
  async isFileVisible(fileId: string, signal: AbortSignal): Promise<boolean | null> {
    return await isFileVisible(this.client, fileId, signal);
  }

  /** Returns the size of a file according to the API, which may be wrong; null if it returns none or refuses. */
  async fileSize(fileId: string, signal: AbortSignal): Promise<number | null> {
    return await fileSize(this.client, fileId, signal);
  }

  /**
   * Returns the bytes of a file; null if the API has deleted it or refuses it permanently. The stream fails if the body stalls,
   * is interrupted, or is shorter than its header says.
   */
  async openFile(fileId: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
    return await openFile(this.client, fileId, { signal, patience: this.patience });
  }

  /**
   * Creates a batch with one POST. If `isRefusal` is true for a failure, no batch was created; after any other failure it may
   * exist. The call is not aborted with its activity, so that the id of the new batch is received and the batch can be cancelled.
   */
  async postBatch({ fileId, endpoint, metadata }: NewBatch): Promise<ApiBatch> {
    return await callApi('POST /batches', async () => {
      const created = await this.client.batches.create({
        input_file_id: fileId,
        endpoint: endpoint as OpenAI.BatchCreateParams['endpoint'],
        completion_window: '24h',
        metadata: toMetadata(metadata),
      });
      idOf(created, 'POST /batches');
      return toApiBatch(created);
    });
  }

  /** Reads one batch. Its state is decisive: lists may be stale or contain summaries. Null if the API does not know the id. */
  async readBatch(batchId: string, limits: CallLimits): Promise<ApiBatch | null> {
    try {
      const batch = await this.client.batches.retrieve(batchId, limits);
      if (batch?.id !== batchId) throw unexpectedResponse('GET /batches/{id}');
      return toApiBatch(batch);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw toFailure(error, 'GET /batches/{id}');
    }
  }

  /** Calls `visit` for the account's batches, newest first, until it returns `stop`, or the list ends or repeats itself. */
  async visitBatches(
    visit: (batch: ApiBatch) => 'continue' | 'stop',
    signal: AbortSignal,
    limits: ListLimits = {},
  ): Promise<void> {
    await visitBatches(this.client, visit, signal, limits);
  }

  /** Cancels a batch. Does nothing for a batch that has ended (409) or is unknown, or if the server cannot cancel. */
  async postCancel(batchId: string, signal: AbortSignal): Promise<void> {
    try {
      const cancelled = await this.client.batches.cancel(batchId, { signal });
      idOf(cancelled, 'POST /batches/{id}/cancel'); // a success response of a proxy has cancelled nothing
    } catch (error) {
      const failure = toFailure(error, 'POST /batches/{id}/cancel');
      const isRefused =
        isNoSuchCall(error) || (isRefusal(error) && (error as { status?: number }).status !== 429);
      if (isRefused && !isAccountRefused(failure)) return;
      throw failure;
    }
  }

  /**
   * Fails if the API refuses the key. It lists one batch; if that fails, one file. It cannot detect a billing limit, which
   * the API reports only for paid requests.
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

/** A 403 may concern only the list. */
function concernsCall(error: ApplicationFailure): boolean {
  const [response] = (error.details ?? []) as ({ status?: unknown } | undefined)[];
  return response?.status === 403;
}
