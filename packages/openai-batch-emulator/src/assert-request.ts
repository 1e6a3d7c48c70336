import { ApiError, invalidValue } from './api-error.ts';
import type { JsonObject } from './answers/answer.ts';
import { BatchEndpoint } from './answers/batch-endpoint.ts';
import { modelFacts } from './answers/model-kind.ts';
import { assertInputItems, assertMessages } from './assert-messages.ts';
import { assertParameters } from './assert-parameters.ts';
import { assertTools } from './assert-tools.ts';
import { tokensOfText } from './answers/token-estimate.ts';

/**
 * Throws the error with which the endpoint refuses a request; in a batch it is the line's row. A missing model or input is
 * not checked here, because validation refuses it before the batch starts.
 */
export function assertRequest(endpoint: BatchEndpoint, body: JsonObject): void {
  const model = String(body['model']);
  assertModelKind(endpoint, model);
  switch (endpoint) {
    case BatchEndpoint.chatCompletions:
      assertMessages(body['messages']);
      break;
    case BatchEndpoint.responses:
      assertInputItems(body['input']);
      break;
    case BatchEndpoint.embeddings:
      assertEmbeddingInput(body['input']);
      break;
    case BatchEndpoint.completions:
    case BatchEndpoint.moderations:
    case BatchEndpoint.imageGenerations:
    case BatchEndpoint.imageEdits:
      break;
    default:
      endpoint satisfies never;
  }
  assertParameters(endpoint, body, modelFacts(model).isReasoning);
  if (body['tools'] !== undefined || body['tool_choice'] !== undefined) assertTools(endpoint, body);
}

/** Context lengths by model; `*` is for the other models. */
export type ContextLimits = Readonly<Record<string, number>>;

/** Throws if the prompt and the answer that it allows are longer than the model's context. */
export function assertContext(
  endpoint: BatchEndpoint,
  body: JsonObject,
  promptTokens: number,
  limits: ContextLimits,
): void {
  const model = String(body['model']);
  const limit =
    (Object.hasOwn(limits, model) ? limits[model] : limits['*']) ?? modelFacts(model).contextTokens;
  if (limit === undefined) return;
  switch (endpoint) {
    case BatchEndpoint.chatCompletions: {
      const asked = body['max_completion_tokens'] ?? body['max_tokens'];
      if (promptTokens > limit)
        throw tooLong(
          `This model's maximum context length is ${limit} tokens. However, your messages resulted in ${promptTokens} tokens. Please reduce the length of the messages.`,
          'messages',
        );
      if (typeof asked === 'number' && promptTokens + asked > limit)
        throw tooLong(
          `This model's maximum context length is ${limit} tokens. However, you requested ${promptTokens + asked} tokens (${promptTokens} in the messages, ${asked} in the completion). Please reduce the length of the messages or completion.`,
          'messages',
        );
      return;
    }
    case BatchEndpoint.responses:
      if (promptTokens > limit)
        throw tooLong(
          'Your input exceeds the context window of this model. Please adjust your input and try again.',
          'input',
        );
      return;
    case BatchEndpoint.completions: {
      const asked = typeof body['max_tokens'] === 'number' ? body['max_tokens'] : 0;
      if (promptTokens + asked > limit) throw tooLongPrompt(limit, promptTokens, asked);
      return;
    }
    case BatchEndpoint.embeddings: {
      if (promptTokens > MAX_EMBEDDING_TOKENS)
        throw new ApiError(
          400,
          `Requested ${promptTokens} tokens, max ${MAX_EMBEDDING_TOKENS} tokens per request`,
          { code: 'max_tokens_per_request', type: 'max_tokens_per_request' },
        );
      if (promptTokens <= limit) return;
      const longest = longestInput(body['input']);
      if (longest > limit) throw tooLongPrompt(limit, longest, 0);
      return;
    }
    case BatchEndpoint.moderations:
    case BatchEndpoint.imageGenerations:
    case BatchEndpoint.imageEdits:
      return;
    default:
      endpoint satisfies never;
  }
}

/** The maximum number of tokens in all inputs of one embeddings request. */
const MAX_EMBEDDING_TOKENS = 300_000;
const MAX_EMBEDDING_INPUTS = 2048;

function assertModelKind(endpoint: BatchEndpoint, model: string): void {
  const { kind } = modelFacts(model);
  if (kind === undefined) return;
  switch (endpoint) {
    case BatchEndpoint.chatCompletions:
      if (kind !== 'chat')
        throw wrongModel(
          'This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?',
        );
      return;
    case BatchEndpoint.completions:
      if (kind === 'chat')
        throw wrongModel(
          'This is a chat model and not supported in the v1/completions endpoint. Did you mean to use v1/chat/completions?',
        );
      if (kind !== 'completion')
        throw wrongModel(`The model \`${model}\` is not supported in the v1/completions endpoint.`);
      return;
    case BatchEndpoint.responses:
      if (kind !== 'chat')
        throw new ApiError(400, `The requested model '${model}' cannot be used with the Responses API.`, {
          param: 'model',
          code: 'unsupported_model',
        });
      return;
    case BatchEndpoint.embeddings:
      if (kind !== 'embedding')
        throw new ApiError(403, 'You are not allowed to generate embeddings from this model');
      return;
    case BatchEndpoint.moderations:
      if (kind !== 'moderation')
        throw invalidValue('model', model, ['omni-moderation-latest', 'text-moderation-latest']);
      return;
    case BatchEndpoint.imageGenerations:
    case BatchEndpoint.imageEdits:
      if (kind !== 'image') throw invalidValue('model', model, ['gpt-image-1', 'gpt-image-1-mini']);
      return;
    default:
      endpoint satisfies never;
  }
}

function assertEmbeddingInput(input: unknown): void {
  if (typeof input === 'string') {
    if (input === '') throw badEmbeddingInput();
    return;
  }
  if (!Array.isArray(input) || input.length === 0) throw badEmbeddingInput();
  const tokens = typeof input[0] === 'number';
  if (!tokens && input.length > MAX_EMBEDDING_INPUTS)
    throw new ApiError(
      400,
      `Invalid 'input': array too long. Expected an array with maximum length ${MAX_EMBEDDING_INPUTS}, but got an array with length ${input.length} instead.`,
      { param: 'input', code: 'array_above_max_length' },
    );
  for (const item of input as unknown[]) if (!isEmbeddable(item, tokens)) throw badEmbeddingInput();
}

function isEmbeddable(item: unknown, token: boolean): boolean {
  if (token) return Number.isInteger(item);
  if (typeof item === 'string') return item !== '';
  return Array.isArray(item) && item.length > 0 && item.every(Number.isInteger);
}

function longestInput(input: unknown): number {
  if (typeof input === 'string') return tokensOfText(input);
  if (!Array.isArray(input)) return 0;
  if (typeof input[0] === 'number') return input.length;
  return (input as unknown[]).reduce<number>(
    (most, item) => Math.max(most, Array.isArray(item) ? item.length : tokensOfText(String(item))),
    0,
  );
}

function badEmbeddingInput(): ApiError {
  return new ApiError(
    400,
    "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
  );
}

function wrongModel(message: string): ApiError {
  return new ApiError(404, message, { param: 'model' });
}

function tooLong(message: string, param: string): ApiError {
  return new ApiError(400, message, { param, code: 'context_length_exceeded' });
}

function tooLongPrompt(limit: number, prompt: number, asked: number): ApiError {
  return new ApiError(
    400,
    `This model's maximum context length is ${limit} tokens, however you requested ${prompt + asked} tokens (${prompt} in your prompt; ${asked} for the completion). Please reduce your prompt; or completion length.`,
    { code: 'context_length_exceeded' },
  );
}
