import { ApiError, emptyArray, invalidType, invalidValue, missingParameter } from './api-error.ts';
import { isObject } from './answers/request-text.ts';

const CHAT_ROLES: readonly unknown[] = ['system', 'assistant', 'user', 'function', 'tool', 'developer'];
const INPUT_ROLES: readonly unknown[] = ['assistant', 'system', 'developer', 'user'];
const CHAT_PARTS: readonly unknown[] = ['text', 'image_url', 'input_audio', 'refusal', 'audio', 'file'];
const INPUT_PARTS: readonly unknown[] = [
  'input_text',
  'input_image',
  'input_file',
  'input_audio',
  'output_text',
  'refusal',
];

/** Throws unless `messages` is a valid list for chat completions. */
export function assertMessages(messages: unknown): void {
  if (!Array.isArray(messages)) throw invalidType('messages', 'an array of objects', messages);
  if (messages.length === 0) throw emptyArray('messages');
  for (let i = 0; i < messages.length; i++) {
    const message: unknown = messages[i];
    if (!isObject(message)) throw invalidType(`messages[${i}]`, 'an object', message);
    assertRole(message['role'], CHAT_ROLES, `messages[${i}].role`);
    const { content } = message;
    if (typeof content === 'string' && message['role'] !== 'tool') continue;
    assertChatContent(messages as unknown[], i);
  }
}

/** Throws unless `input` is a string or a valid list of items for /v1/responses. */
export function assertInputItems(input: unknown): void {
  if (input === undefined || input === null || typeof input === 'string') return;
  if (!Array.isArray(input)) throw invalidType('input', 'one of an array of input items or a string', input);
  for (let i = 0; i < input.length; i++) {
    const item: unknown = input[i];
    if (!isObject(item)) throw invalidType(`input[${i}]`, 'an object', item);
    const type = item['type'];
    if (type !== undefined && typeof type !== 'string')
      throw invalidType(`input[${i}].type`, 'a string', type);
    // Calls, their outputs and references have other members.
    if (type !== undefined && type !== 'message') continue;
    assertRole(item['role'], INPUT_ROLES, `input[${i}].role`);
    const { content } = item;
    if (typeof content === 'string') continue;
    if (content === undefined) throw missingParameter(`input[${i}].content`);
    assertParts(content, INPUT_PARTS, `input[${i}].content`);
  }
}

function assertRole(role: unknown, roles: readonly unknown[], param: string): void {
  if (roles.includes(role)) return;
  if (role === undefined) throw missingParameter(param);
  if (typeof role !== 'string') throw invalidType(param, 'a string', role);
  throw invalidValue(param, role, roles);
}

function assertChatContent(messages: readonly unknown[], i: number): void {
  const message = messages[i] as Record<string, unknown>;
  const { role, content } = message;
  if (role === 'assistant') {
    const calls = message['tool_calls'];
    if (Array.isArray(calls) && calls.length === 0) throw emptyArray(`messages[${i}].tool_calls`);
    const instead = calls ?? message['function_call'] ?? message['audio'] ?? message['refusal'];
    if ((content === null || content === undefined) && instead !== undefined && instead !== null) return;
  }
  if (role === 'tool') {
    if (message['tool_call_id'] === undefined) throw missingParameter(`messages[${i}].tool_call_id`);
    const before = messages[i - 1];
    const followsCall =
      isObject(before) && (before['role'] === 'tool' || Array.isArray(before['tool_calls']));
    if (!followsCall)
      throw new ApiError(
        400,
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        { param: `messages.[${i}].role` },
      );
  }
  if (typeof content === 'string') return;
  if (content === undefined) throw missingParameter(`messages[${i}].content`);
  if (content === null)
    throw new ApiError(400, "Invalid value for 'content': expected a string, got null.", {
      param: `messages.[${i}].content`,
    });
  assertParts(content, CHAT_PARTS, `messages[${i}].content`);
}

function assertParts(content: unknown, types: readonly unknown[], param: string): void {
  if (!Array.isArray(content)) throw invalidType(param, 'one of a string or array of objects', content);
  for (let i = 0; i < content.length; i++) {
    const part: unknown = content[i];
    if (!isObject(part)) throw invalidType(`${param}[${i}]`, 'an object', part);
    const { type } = part;
    if (type === undefined) throw missingParameter(`${param}[${i}].type`);
    if (!types.includes(type)) throw invalidValue(`${param}[${i}].type`, type, types);
    if (!(type as string).endsWith('text')) continue;
    if (part['text'] === undefined) throw missingParameter(`${param}[${i}].text`);
    if (typeof part['text'] !== 'string') throw invalidType(`${param}[${i}].text`, 'a string', part['text']);
  }
}
