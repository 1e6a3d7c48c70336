/**
 * Reads an answer of any endpoint. The form of a body is derived from its `object`, or from its members if a
 * provider leaves that out. A body of a form that the API does not document has no text and no vector, rather than a wrong one.
 */
import type { ResultRow } from '../../core/result-row.ts';

/** The part of a row that contains the answer. */
export type AnswerSource = Pick<ResultRow, 'response'>;

/**
 * The text of an answer: the first choice of chat completions and completions, all output texts of responses joined.
 * Null for a row that is not answered, an answer without text (a refusal, tool calls), and endpoints that return no
 * text.
 */
export function answerText({ response }: AnswerSource): string | null {
  const body = objectOf(response);
  const form = answerForm(body);
  if (form === 'response') return joined(parts(body, 'output_text').map(({ text }) => textOf(text)));
  if (form !== 'choices') return null;
  const choice = firstChoice(body);
  const message = objectOf(choice?.['message']);
  return message === null ? textOf(choice?.['text']) : contentText(message['content']);
}

/** The model's refusal, in chat completions and responses; null if it did not refuse. */
export function answerRefusal({ response }: AnswerSource): string | null {
  const body = objectOf(response);
  const message = answerForm(body) === 'choices' ? objectOf(firstChoice(body)?.['message']) : null;
  const refused =
    answerForm(body) === 'response'
      ? parts(body, 'refusal')
      : [...(message === null ? [] : [message]), ...partsOf(message?.['content'], 'refusal')];
  return joined(refused.map(({ refusal }) => textOf(refusal))) || null; // some providers send an empty one
}

/** True when the model stopped at its limit of output tokens: the text is only the beginning of an answer. */
export function isAnswerCut({ response }: AnswerSource): boolean {
  return stopReason(objectOf(response)) === 'limit';
}

/** True when the content filter ended the answer. */
export function isAnswerFiltered({ response }: AnswerSource): boolean {
  return stopReason(objectOf(response)) === 'filter';
}

/** The names of the tools that the model calls in its answer, without duplicates; empty when it calls none. */
export function answerToolNames({ response }: AnswerSource): string[] {
  const body = objectOf(response);
  const names: (string | null)[] = [];
  if (answerForm(body) === 'choices') {
    const message = objectOf(firstChoice(body)?.['message']);
    for (const call of [...listOf(message?.['tool_calls']).map(objectOf), legacyCall(message)]) {
      if (call === null) continue;
      const called = objectOf(call['function']) ?? objectOf(call['custom']);
      names.push(textOf(called?.['name']) ?? textOf(call['type']) ?? 'unnamed');
    }
  } else if (answerForm(body) === 'response') {
    for (const item of listOf(body?.['output']).map(objectOf)) {
      const type = textOf(item?.['type']);
      if (type?.endsWith('_call') === true) names.push(textOf(item?.['name']) ?? type);
    }
  }
  return [...new Set(names.filter((name) => name !== null))];
}

/** The form of an answer's body: the members that contain the answer. */
export type AnswerForm = 'choices' | 'response' | 'vectors' | 'whole';

/**
 * The form of a body: `choices` of chat completions and completions, the `response` of responses, `vectors` of embeddings, and
 * `whole` if the body itself is the answer, as for moderations and images. Null for an unknown form.
 */
export function answerForm(body: Record<string, unknown> | null): AnswerForm | null {
  const kind = body?.['object'];
  if (kind === 'chat.completion' || kind === 'text_completion' || isList(body?.['choices'])) return 'choices';
  if (kind === 'response' || isList(body?.['output'])) return 'response';
  const data = body?.['data'];
  if (isList(data) && (kind === 'list' || data.some((item) => objectOf(item)?.['object'] === 'embedding')))
    return 'vectors';
  return isList(data) || isList(body?.['results']) ? 'whole' : null;
}

/** Why an answer has no text, as a sentence that does not quote the answer; null if the body has no reason. */
export function whyNoText(row: AnswerSource): string | null {
  const body = objectOf(row.response);
  if (answerRefusal(row) !== null) return 'The model refused to answer: see answerRefusal(row).';
  const cut = whyCut(row);
  if (cut !== null) return `The answer has no text: ${cut}.`;
  const tools = answerToolNames(row);
  if (tools.length > 0) {
    const shown = tools.slice(0, TOOLS_SHOWN).map((name) => name.slice(0, TOOL_CHARACTERS));
    const more = tools.length > shown.length ? `, and ${tools.length - shown.length} more` : '';
    return `The answer has no text: the model called tools instead (${shown.join(', ')}${more}).`;
  }
  const status = textOf(body?.['status']);
  if (answerForm(body) === 'response' && status !== null && status !== 'completed')
    return `The answer has no text: the status of the response is ${status.slice(0, TOOL_CHARACTERS)}.`;
  return null;
}

/** Why an answer was cut, as a part of a sentence; null if it was not. */
export function whyCut({ response }: AnswerSource): string | null {
  const reason = stopReason(objectOf(response));
  if (reason === null) return null;
  return reason === 'limit' ? 'it was cut at the limit of output tokens' : 'it was cut by the content filter';
}

/** The API's maximum length of a function's name. */
const TOOL_CHARACTERS = 64;

/** Maximum names of tools in one sentence. */
const TOOLS_SHOWN = 5;

/** What stopped the model early; null if it completed. */
function stopReason(body: Record<string, unknown> | null): 'limit' | 'filter' | null {
  const form = answerForm(body);
  const reason =
    form === 'response'
      ? objectOf(body?.['incomplete_details'])?.['reason']
      : form === 'choices'
        ? firstChoice(body)?.['finish_reason']
        : null;
  if (reason === 'length' || reason === 'max_output_tokens') return 'limit';
  return reason === 'content_filter' ? 'filter' : null;
}

/** Converts the deprecated `function_call` of a message to the form of a tool call. */
function legacyCall(message: Record<string, unknown> | null): Record<string, unknown> | null {
  const called = objectOf(message?.['function_call']);
  return called === null ? null : { function: called };
}

/**
 * The vector of an embedding, from floats or base64; the first one if the line has several inputs
 * (see `answerEmbeddings`). Null for other rows.
 */
export function answerEmbedding(row: AnswerSource): number[] | null {
  return answerEmbeddings(row)?.[0] ?? null;
}

/** The vectors of an embeddings answer in the order of the line's inputs, from floats or base64. Null for other rows. */
export function answerEmbeddings({ response }: AnswerSource): number[][] | null {
  const items = listOf(objectOf(response)?.['data']);
  if (items.length === 0) return null;
  const vectors: (number[] | undefined)[] = items.map(() => undefined);
  for (const [at, item] of items.entries()) {
    const embedding = objectOf(item);
    if (embedding?.['object'] !== 'embedding') return null;
    const vector = vectorOf(embedding['embedding']);
    if (vector === null) return null;
    const index = embedding['index'] ?? at;
    // An index that is out of range or duplicate leaves a gap: the order is then unknown.
    if (typeof index !== 'number' || !(index in vectors) || vectors[index] !== undefined) return null;
    vectors[index] = vector;
  }
  return vectors as number[][];
}

function vectorOf(value: unknown): number[] | null {
  if (Array.isArray(value)) return value as number[];
  if (typeof value !== 'string') return null;
  const bytes = Buffer.from(value, 'base64');
  // 32-bit floats, little-endian.
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readFloatLE(i * 4));
}

/** The choice of index 0, at any position; the first one if none has an index. */
function firstChoice(body: Record<string, unknown> | null): Record<string, unknown> | null {
  const choices = listOf(body?.['choices']).map(objectOf);
  return choices.find((choice) => choice?.['index'] === 0) ?? choices[0] ?? null;
}

/** Parts of this type in all messages of a response; reasoning and tool calls are other items. */
function parts(body: Record<string, unknown> | null, type: string): Record<string, unknown>[] {
  return listOf(body?.['output'])
    .map(objectOf)
    .filter((item) => item?.['type'] === 'message')
    .flatMap((item) => partsOf(item?.['content'], type));
}

function partsOf(content: unknown, type: string): Record<string, unknown>[] {
  return listOf(content)
    .map(objectOf)
    .filter((part): part is Record<string, unknown> => part?.['type'] === type);
}

/** Some providers send a message's content in parts. */
function contentText(content: unknown): string | null {
  if (!isList(content)) return textOf(content);
  return joined(partsOf(content, 'text').map(({ text }) => textOf(text)));
}

function joined(texts: readonly (string | null)[]): string | null {
  const known = texts.filter((text) => text !== null);
  return known.length === 0 ? null : known.join('');
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function listOf(value: unknown): unknown[] {
  return isList(value) ? value : [];
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

/** The value as an object; null for what is none. */
export function objectOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
