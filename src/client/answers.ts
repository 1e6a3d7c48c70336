/**
 * What an answer says, whichever endpoint gave it. The body tells its endpoint by `object`; a body of another shape than
 * the API documents (other providers send some) has no text and no vector rather than a wrong one.
 */
import type { ResultRow } from './result-rows.ts';

/** The part of a row that an answer is read from. */
export type AnswerSource = Pick<ResultRow, 'response'>;

/**
 * The text of an answer: of chat completions and completions the first choice's, of responses all output texts joined.
 * Null for a row that is not answered, a refusal, and endpoints that answer with something else.
 */
export function answerText({ response }: AnswerSource): string | null {
  const body = objectOf(response);
  switch (body?.['object']) {
    case 'chat.completion':
      return contentText(objectOf(firstChoice(body)?.['message'])?.['content']);
    case 'text_completion':
      return textOf(firstChoice(body)?.['text']);
    case 'response':
      return joined(parts(body, 'output_text').map(({ text }) => textOf(text)));
    default:
      return null;
  }
}

/** What the model said instead of an answer, in chat completions and responses; null when it did not refuse. */
export function answerRefusal({ response }: AnswerSource): string | null {
  const body = objectOf(response);
  switch (body?.['object']) {
    case 'chat.completion':
      return textOf(objectOf(firstChoice(body)?.['message'])?.['refusal']);
    case 'response':
      return joined(parts(body, 'refusal').map(({ refusal }) => textOf(refusal)));
    default:
      return null;
  }
}

/** True when the model stopped at its limit of output tokens: the text is only the beginning of an answer. */
export function isAnswerCut({ response }: AnswerSource): boolean {
  const body = objectOf(response);
  if (body?.['object'] === 'response') {
    return objectOf(body['incomplete_details'])?.['reason'] === 'max_output_tokens';
  }
  return body !== null && firstChoice(body)?.['finish_reason'] === 'length';
}

/**
 * The vector of an embedding, floats and base64 alike: the first one where a line asked for several
 * (see `answerEmbeddings`). Null for other rows.
 */
export function answerEmbedding(row: AnswerSource): number[] | null {
  return answerEmbeddings(row)?.[0] ?? null;
}

/** The vectors of an embeddings answer in the order of the line's inputs, floats and base64 alike. Null for other rows. */
export function answerEmbeddings({ response }: AnswerSource): number[][] | null {
  const items = listOf(objectOf(response)?.['data']);
  if (items.length === 0) return null;
  const vectors: number[][] = [];
  for (const [at, item] of items.entries()) {
    const embedding = objectOf(item);
    if (embedding?.['object'] !== 'embedding') return null;
    const vector = vectorOf(embedding['embedding']);
    if (vector === null) return null;
    const index = embedding['index'];
    vectors[typeof index === 'number' ? index : at] = vector;
  }
  return vectors;
}

function vectorOf(value: unknown): number[] | null {
  if (Array.isArray(value)) return value as number[];
  if (typeof value !== 'string') return null;
  const bytes = Buffer.from(value, 'base64');
  // 32-bit floats, little-endian.
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readFloatLE(i * 4));
}

function firstChoice(body: Record<string, unknown>): Record<string, unknown> | null {
  return objectOf(listOf(body['choices'])[0]);
}

/** Parts of this type in all messages of a response; reasoning and tool calls are other items. */
function parts(body: Record<string, unknown>, type: string): Record<string, unknown>[] {
  return listOf(body['output'])
    .map(objectOf)
    .filter((item) => item?.['type'] === 'message')
    .flatMap((item) => listOf(item?.['content']).map(objectOf))
    .filter((part): part is Record<string, unknown> => part?.['type'] === type);
}

/** Some providers send a message's content in parts. */
function contentText(content: unknown): string | null {
  if (!Array.isArray(content)) return textOf(content);
  return joined(
    content.map((part) => (objectOf(part)?.['type'] === 'text' ? textOf(objectOf(part)?.['text']) : null)),
  );
}

function joined(texts: readonly (string | null)[]): string | null {
  const known = texts.filter((text) => text !== null);
  return known.length === 0 ? null : known.join('');
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function objectOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
