import { Endpoint } from '../../core/limits.ts';

/** Number of inputs of an uploaded embeddings request; 0 for other endpoints. */
export function embeddingInputsOf(endpoint: string, line: Buffer): number {
  if (endpoint !== Endpoint.Embeddings) return 0;
  const { body } = JSON.parse(line.toString('utf8')) as { body: { input: unknown } };
  return Array.isArray(body.input) && typeof body.input[0] !== 'number' ? body.input.length : 1;
}
