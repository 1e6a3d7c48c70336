import { Endpoint } from '../core/limits.ts';

/** What decides the tokens of a request. */
export interface RequestContent {
  /** Texts of the prompt, schemas and tools among them. */
  readonly texts: readonly string[];
  /** Tokens around the texts, and inputs that are tokens already. */
  readonly fixedTokens: number;
  /** Images, audio and files, and conversations that are at the API: their tokens are not known from the request. */
  readonly unknown: number;
  /** The most tokens of its answers; null if the request has no limit. */
  readonly maxOutputTokens: number | null;
}

/** Tokens around a message, its role among them, and before the answer. OpenAI cookbook, "How to count tokens with tiktoken". */
const PER_MESSAGE = 4;
const PER_NAME = 1;
const BEFORE_ANSWER = 3;

/** Completions without `max_tokens` have this. Spec, CreateCompletionRequest.max_tokens. */
const COMPLETION_TOKENS = 16;

type Json = Readonly<Record<string, unknown>>;

/** Reads the body of a request, which the API may still refuse. Parts of an unknown form count no tokens. */
export function contentOf(endpoint: Endpoint, body: Json): RequestContent {
  const found = new Content();
  switch (endpoint) {
    case Endpoint.ChatCompletions:
      found.addMessages(body['messages']);
      found.addJson(
        body['tools'],
        body['functions'],
        objectOf(objectOf(body['response_format'])['json_schema'])['schema'],
      );
      return found.of(timesN(limitOf(body['max_completion_tokens'] ?? body['max_tokens']), body));
    case Endpoint.Responses:
      found.addMessages(body['instructions'] === undefined ? [] : [{ content: body['instructions'] }]);
      found.addMessages(typeof body['input'] === 'string' ? [{ content: body['input'] }] : body['input']);
      found.addJson(body['tools'], objectOf(objectOf(body['text'])['format'])['schema']);
      for (const name of ['previous_response_id', 'conversation', 'prompt'])
        if (body[name] != null) found.unknown += 1;
      return found.of(limitOf(body['max_output_tokens']));
    case Endpoint.Completions:
      found.addInputs(body['prompt']);
      return found.of(timesN(limitOf(body['max_tokens'] ?? COMPLETION_TOKENS), body));
    case Endpoint.Embeddings:
    case Endpoint.Moderations:
      found.addInputs(body['input']);
      return found.of(0);
    case Endpoint.ImageGenerations:
    case Endpoint.ImageEdits:
      found.addInputs(body['prompt']);
      return found.of(null);
    default:
      return endpoint satisfies never;
  }
}

class Content {
  unknown = 0;
  private readonly texts: string[] = [];
  private fixedTokens = 0;

  of(maxOutputTokens: number | null): RequestContent {
    const { texts, fixedTokens, unknown } = this;
    return { texts, fixedTokens, unknown, maxOutputTokens };
  }

  addMessages(messages: unknown): void {
    if (!Array.isArray(messages)) return;
    if (this.fixedTokens === 0 && messages.length > 0) this.fixedTokens += BEFORE_ANSWER;
    for (const message of messages.map(objectOf)) {
      this.fixedTokens += PER_MESSAGE;
      this.addParts(message['content']);
      if (typeof message['name'] === 'string') {
        this.fixedTokens += PER_NAME;
        this.texts.push(message['name']);
      }
      this.addJson(message['tool_calls'], message['arguments'], message['output']);
    }
  }

  /** Strings, lists of strings, tokens, or lists of tokens. */
  addInputs(inputs: unknown): void {
    if (typeof inputs === 'number') this.fixedTokens += 1;
    else if (Array.isArray(inputs)) for (const input of inputs) this.addInputs(input);
    else this.addParts(inputs);
  }

  addJson(...values: readonly unknown[]): void {
    for (const value of values)
      if (value != null) this.texts.push(typeof value === 'string' ? value : JSON.stringify(value));
  }

  private addParts(content: unknown): void {
    if (typeof content === 'string') this.texts.push(content);
    else if (Array.isArray(content)) for (const part of content) this.addParts(part);
    else if (typeof content === 'object' && content !== null) {
      const { text, refusal } = content as Json;
      if (typeof text === 'string') this.texts.push(text);
      else if (typeof refusal === 'string') this.texts.push(refusal);
      else this.unknown += 1;
    }
  }
}

/** The API refuses what is no whole number; it must not stop the estimate. */
function limitOf(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}

/** Several answers to one request. */
function timesN(limit: number | null, { n }: Json): number | null {
  return limit === null ? null : limit * Math.max(1, limitOf(n) ?? 1);
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
