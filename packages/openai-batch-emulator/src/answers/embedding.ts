import { createSeededRandom, hash32 } from './seeded-random.ts';
import { modelOf } from './answer.ts';
import type { Answer, JsonObject } from './answer.ts';
import { inputTokens } from './token-estimate.ts';

const DIMENSIONS: Readonly<Record<string, number>> = { 'text-embedding-3-large': 3072 };
const DIMENSIONS_OF_OTHERS = 1536;
/** The number of coordinates that each word of a text changes. */
const SPREAD = 8;
const NOISE = 0.02;

/** The response of /v1/embeddings: one unit vector for each input, near to those of texts with the same words. */
export function embeddingList(body: JsonObject): Answer {
  const model = modelOf(body, 'text-embedding-3-small');
  const requested = body['dimensions'];
  const dimensions = typeof requested === 'number' ? requested : (DIMENSIONS[model] ?? DIMENSIONS_OF_OTHERS);
  const asBase64 = body['encoding_format'] === 'base64';
  const tokens = inputTokens(body['input']);
  return {
    inputTokens: tokens,
    outputTokens: 0,
    body: {
      object: 'list',
      data: embeddingInputs(body['input']).map((text, index) => {
        const vector = embeddingVector(text, dimensions);
        return {
          object: 'embedding',
          index,
          embedding: asBase64 ? toBase64(vector) : [...vector].map(rounded),
        };
      }),
      model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
  };
}

/** The inputs of one request as texts. A list of numbers is one input; a list of such lists is several. */
export function embeddingInputs(input: unknown): string[] {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) return [''];
  if (typeof input[0] === 'number') return [input.join(' ')];
  return input.map((item) => (Array.isArray(item) ? item.join(' ') : String(item)));
}

/**
 * Hashes each word to a few coordinates, adds some noise from the whole text so that no two texts have the same vector,
 * and scales to length 1.
 */
export function embeddingVector(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  const noise = createSeededRandom(hash32(text));
  for (let i = 0; i < dimensions; i++) vector[i] = (noise() - 0.5) * NOISE;
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const draw = createSeededRandom(hash32(word));
    for (let i = 0; i < SPREAD; i++) {
      const at = Math.floor(draw() * dimensions);
      vector[at] = (vector[at] as number) + (draw() < 0.5 ? -1 : 1);
    }
  }
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  for (let i = 0; i < dimensions; i++) vector[i] = (vector[i] as number) / length;
  return vector;
}

/** Eight decimals, as the API sends: half the bytes of a float printed in full. */
function rounded(value: number): number {
  return Math.round(value * 1e8) / 1e8;
}

function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}
