/**
 * The API's published limits and prices of batches, each with its source and the date it was read. Shards are planned with
 * them before any call is made.
 * Guide: https://developers.openai.com/api/docs/guides/batch (Oct 2026). Spec: github.com/openai/openai-openapi (21 Aug 2026).
 */

/** Requests in one batch. Guide, "Rate limits". */
export const MAX_BATCH_LINES = 50_000;

/**
 * Bytes of one batch's input file. The guide says 200 MB, the service's refusal names 209,715,200. The limit is below both,
 * since the size of a file is known only when it is closed.
 */
export const MAX_BATCH_BYTES = 190_000_000;

/** Inputs summed over all lines of an embeddings batch. Guide, "Rate limits". */
export const MAX_EMBEDDING_INPUTS = 50_000;

/** Inputs of one embeddings request. Spec, CreateEmbeddingRequest.input. */
export const MAX_INPUTS_PER_EMBEDDING_LINE = 2_048;

/** Tokens of all inputs of one embeddings request. Spec, CreateEmbeddingRequest.input. */
export const MAX_TOKENS_PER_EMBEDDING_LINE = 300_000;

/**
 * Lines that share one embeddings request. The answer to a request is one line of a file, which a worker holds in memory: with 512
 * vectors it has 20 MB or so. Fewer requests would not be cheaper, because tokens are paid.
 */
export const MAX_PACKED_LINES = 512;

/** The share of the list price that batches cost, as a divisor. Guide, "Batch API": 50 % discount on inputs and outputs. */
export const BATCH_DIVISOR = 2n;

/** The endpoints that accept batches. Spec, CreateBatchRequest.endpoint, less `/v1/videos`, shut down 24 Sep 2026. */
export const Endpoint = {
  Responses: '/v1/responses',
  ChatCompletions: '/v1/chat/completions',
  Embeddings: '/v1/embeddings',
  Completions: '/v1/completions',
  Moderations: '/v1/moderations',
  ImageGenerations: '/v1/images/generations',
  ImageEdits: '/v1/images/edits',
} as const;
export type Endpoint = (typeof Endpoint)[keyof typeof Endpoint];

/** All endpoints, in the order of messages. */
export const endpoints: readonly Endpoint[] = Object.values(Endpoint);

/** True when the API has batches for this path. */
export function isEndpoint(path: string): path is Endpoint {
  return (endpoints as readonly string[]).includes(path);
}
