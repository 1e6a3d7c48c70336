import type { JsonObject } from './answer.ts';
import { BatchEndpoint } from './batch-endpoint.ts';
import { byteLength, contentText, readMessages, readResponsesInput } from './request-text.ts';
import type { RequestText } from './request-text.ts';

/** English text has about four bytes a token, which is precise enough for accounting. */
export const BYTES_PER_TOKEN = 4;
/** The tokens that role marks and separators add to a chat prompt. */
const PROMPT_OVERHEAD = 3;

function tokensOfBytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / BYTES_PER_TOKEN));
}

export function tokensOfText(text: string): number {
  return tokensOfBytes(byteLength(text));
}

/** Tokens of a prompt of messages. */
export function promptTokens({ promptBytes }: RequestText): number {
  return PROMPT_OVERHEAD + tokensOfBytes(promptBytes);
}

/** The prompt tokens of a request, for the enqueued-token limit and for the usage in its answer. */
export function estimateInputTokens(endpoint: BatchEndpoint, body: JsonObject): number {
  switch (endpoint) {
    case BatchEndpoint.chatCompletions:
      return promptTokens(readMessages(body['messages']));
    case BatchEndpoint.responses:
      return promptTokens(readResponsesInput(body));
    case BatchEndpoint.embeddings:
    case BatchEndpoint.moderations:
      return inputTokens(body['input']);
    case BatchEndpoint.completions:
    case BatchEndpoint.imageGenerations:
    case BatchEndpoint.imageEdits:
      return inputTokens(body['prompt']);
    default:
      return endpoint satisfies never;
  }
}

/** Tokens of a string, of several strings, or of inputs that are tokens already. */
export function inputTokens(input: unknown): number {
  if (typeof input === 'string') return tokensOfText(input);
  if (!Array.isArray(input)) return 1;
  if (typeof input[0] === 'number') return input.length;
  let tokens = 0;
  for (const item of input) {
    if (Array.isArray(item)) tokens += item.length;
    else tokens += tokensOfText(typeof item === 'string' ? item : contentText([item]));
  }
  return tokens;
}
