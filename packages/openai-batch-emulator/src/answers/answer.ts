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
  cache?: PromptMemory;
}

export function modelOf(body: JsonObject, otherwise: string): string {
  return typeof body['model'] === 'string' ? body['model'] : otherwise;
}

/** Remembers prompts, so that what later ones share with them counts as cached. */
export interface PromptMemory {
  use(model: string, prompt: { instructions: string; lastUser: string; promptBytes: number }): CacheUse;
}

/** What of a prompt came from the cache, and what was written to it. */
export interface CacheUse {
  cachedTokens: number;
  /** Undefined for models that do not report it. */
  writtenTokens: number | undefined;
}
