import { BATCH_ENDPOINTS, isBatchEndpoint } from './answers/batch-endpoint.ts';
import type { BatchEndpoint } from './answers/batch-endpoint.ts';
import { ApiError, invalidType, invalidValue, missingParameter } from './api-error.ts';
import { parseExpiresAfter } from './file-parameters.ts';

/** The body of `POST /v1/batches`. */
export interface BatchCreateParams {
  inputFileId: string;
  endpoint: BatchEndpoint;
  metadata: Record<string, string> | null;
  outputExpiresAfterSeconds: number | null;
}

const MAX_METADATA_PAIRS = 16;
const MAX_METADATA_KEY = 64;
const MAX_METADATA_VALUE = 512;

/**
 * Checks what the API refuses at once. The input file and its content are checked by validation: if they are wrong, the
 * API creates a batch that fails.
 */
export function parseBatchCreateParams(body: Record<string, unknown>): BatchCreateParams {
  const { input_file_id: inputFileId, endpoint, completion_window: window } = body;
  if (!isGiven(inputFileId)) throw missingParameter('input_file_id');
  if (typeof inputFileId !== 'string') throw invalidType('input_file_id', 'a string', inputFileId);
  if (!isGiven(endpoint)) throw missingParameter('endpoint');
  if (typeof endpoint !== 'string') throw invalidType('endpoint', 'a string', endpoint);
  if (!isBatchEndpoint(endpoint)) throw invalidValue('endpoint', endpoint, BATCH_ENDPOINTS);
  if (!isGiven(window)) throw missingParameter('completion_window');
  if (typeof window !== 'string') throw invalidType('completion_window', 'a string', window);
  if (window !== '24h') throw invalidValue('completion_window', window, ['24h']);
  return {
    inputFileId,
    endpoint,
    metadata: parseMetadata(body['metadata']),
    outputExpiresAfterSeconds:
      parseExpiresAfter(body['output_expires_after'], 'output_expires_after') ?? null,
  };
}

function parseMetadata(value: unknown): Record<string, string> | null {
  if (!isGiven(value)) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw invalidType('metadata', 'an object', value);
  const pairs = Object.entries(value as Record<string, unknown>);
  if (pairs.length > MAX_METADATA_PAIRS)
    throw new ApiError(
      400,
      `Invalid 'metadata': too many properties. Expected an object with at most ${MAX_METADATA_PAIRS} properties, but got an object with ${pairs.length} properties instead.`,
      { param: 'metadata', code: 'object_above_max_properties' },
    );
  const metadata: Record<string, string> = {};
  for (const [key, text] of pairs) {
    if (typeof text !== 'string') throw invalidType(`metadata.${key}`, 'a string', text);
    if (key.length > MAX_METADATA_KEY) throw tooLong(`metadata key '${key}'`, key.length, MAX_METADATA_KEY);
    if (text.length > MAX_METADATA_VALUE) throw tooLong(`metadata.${key}`, text.length, MAX_METADATA_VALUE);
    metadata[key] = text;
  }
  return metadata;
}

function tooLong(what: string, length: number, most: number): ApiError {
  return new ApiError(
    400,
    `Invalid '${what}': string too long. Expected a string with maximum length ${most}, but got a string with length ${length} instead.`,
    { param: 'metadata', code: 'string_above_max_length' },
  );
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
