export type JsonObject = Record<string, unknown>;

/** The response of the API to one request of a batch. */
export interface Answer {
  body: JsonObject;
  inputTokens: number;
  outputTokens: number;
  cachedTokens?: number;
  cacheWriteTokens?: number;
}

export interface AnswerContext {
  /** Unique to this execution of the line; ids in the answer are made from it. */
  token: string;
  createdAt: number;
  /** The earlier prompts; without it nothing is cached. */
  cache?: PromptMemory;
}

export function modelOf(body: JsonObject, otherwise: string): string {
  return typeof body['model'] === 'string' ? body['model'] : otherwise;
}

/** Keeps prompts, so that the parts that later prompts share with them count as cached. */
export interface PromptMemory {
  use(model: string, prompt: { instructions: string; lastUser: string; promptBytes: number }): CacheUse;
}

/** The tokens of a prompt that came from the cache, and those that were written to it. */
export interface CacheUse {
  cachedTokens: number;
  /** Undefined for models that do not report it. */
  writtenTokens: number | undefined;
}
