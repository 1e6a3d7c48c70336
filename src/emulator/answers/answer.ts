import type { PromptCache } from './prompt-cache.ts';

export type JsonObject = Record<string, unknown>;

/** What the API would answer to one request of a batch. */
export interface Answer {
  body: JsonObject;
  inputTokens: number;
  outputTokens: number;
  cachedTokens?: number;
  cacheWriteTokens?: number;
}

export interface AnswerContext {
  /** Unique to this execution of the line; ids inside the answer are made of it. */
  token: string;
  createdAt: number;
  /** The prompts answered before; without it nothing is cached. */
  cache?: PromptCache;
}

export function modelOf(body: JsonObject, otherwise: string): string {
  return typeof body['model'] === 'string' ? body['model'] : otherwise;
}
