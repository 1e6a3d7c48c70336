import type { JsonObject } from './answer.ts';

/** The parts of a request that the stand-in model reads: the instructions and the last user message. */
export interface RequestText {
  instructions: string;
  lastUser: string;
  /** Bytes of all text in the prompt, from which tokens are estimated. */
  promptBytes: number;
}

/** Reads chat `messages`. */
export function readMessages(messages: unknown): RequestText {
  return readTurns(Array.isArray(messages) ? messages : [], '');
}

/** Reads the `input` and `instructions` of a request to /v1/responses. */
export function readResponsesInput(body: JsonObject): RequestText {
  const instructions = typeof body['instructions'] === 'string' ? body['instructions'] : '';
  const input = body['input'];
  if (!Array.isArray(input)) {
    const lastUser = typeof input === 'string' ? input : '';
    return { instructions, lastUser, promptBytes: byteLength(instructions) + byteLength(lastUser) };
  }
  return readTurns(input, instructions);
}

function readTurns(turns: readonly unknown[], given: string): RequestText {
  let instructions = given;
  let lastUser = '';
  let promptBytes = byteLength(given);
  for (const turn of turns) {
    if (!isObject(turn)) continue;
    const text = contentText(turn['content']);
    promptBytes += byteLength(text);
    const role = turn['role'];
    if (role === 'system' || role === 'developer') instructions += `\n${text}`;
    else if (role === 'user') lastUser = text;
  }
  return { instructions, lastUser, promptBytes };
}

/** The text of a message: a string, or the text parts of a list. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const texts: string[] = [];
  for (const part of content) {
    if (typeof part === 'string') texts.push(part);
    else if (isObject(part) && typeof part['text'] === 'string') texts.push(part['text']);
  }
  return texts.join('\n');
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
