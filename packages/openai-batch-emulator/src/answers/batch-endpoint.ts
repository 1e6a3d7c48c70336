/** The endpoints that a batch can use, by the path in the batch and in each of its lines. */
export const BatchEndpoint = {
  responses: '/v1/responses',
  chatCompletions: '/v1/chat/completions',
  embeddings: '/v1/embeddings',
  completions: '/v1/completions',
  moderations: '/v1/moderations',
  imageGenerations: '/v1/images/generations',
  imageEdits: '/v1/images/edits',
} as const;
export type BatchEndpoint = (typeof BatchEndpoint)[keyof typeof BatchEndpoint];

export const BATCH_ENDPOINTS: readonly BatchEndpoint[] = Object.values(BatchEndpoint);

export function isBatchEndpoint(value: unknown): value is BatchEndpoint {
  return (BATCH_ENDPOINTS as readonly unknown[]).includes(value);
}
