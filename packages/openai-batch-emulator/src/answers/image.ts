import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { inputTokens } from './token-estimate.ts';

/** A PNG of one grey pixel: a valid image that takes little space. */
const ONE_PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';
const TOKENS_PER_IMAGE = 272;

/** The response of /v1/images/generations and /edits, with `n` images of one pixel. */
export function imageList(body: JsonObject, context: AnswerContext): Answer {
  const images = typeof body['n'] === 'number' ? Math.max(1, body['n']) : 1;
  const promptTokens = inputTokens(body['prompt']);
  const outputTokens = TOKENS_PER_IMAGE * images;
  return {
    inputTokens: promptTokens,
    outputTokens,
    body: {
      created: context.createdAt,
      background: 'opaque',
      output_format: 'png',
      quality: 'low',
      size: '1024x1024',
      data: Array.from({ length: images }, () => ({ b64_json: ONE_PIXEL })),
      usage: {
        input_tokens: promptTokens,
        input_tokens_details: { text_tokens: promptTokens, image_tokens: 0 },
        output_tokens: outputTokens,
        total_tokens: promptTokens + outputTokens,
      },
    },
  };
}
