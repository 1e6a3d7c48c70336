import { ApiError, emptyArray, invalidType, invalidValue, missingParameter } from './api-error.ts';
import type { JsonObject } from './answers/answer.ts';
import { BatchEndpoint } from './answers/batch-endpoint.ts';
import { isObject } from './answers/request-text.ts';
import { functionTools, chosenName } from './answers/required-call.ts';

const NAME = /^[a-zA-Z0-9_-]+$/;
const CHOICES = ['none', 'auto', 'required'];

/** Throws if `tools` or `tool_choice` is invalid for the endpoint, or if they do not match. */
export function assertTools(endpoint: BatchEndpoint, body: JsonObject): void {
  const tools = body['tools'] ?? undefined;
  const choice = body['tool_choice'] ?? undefined;
  if (tools !== undefined) {
    if (!Array.isArray(tools)) throw invalidType('tools', 'an array of objects', tools);
    if (tools.length === 0 && endpoint === BatchEndpoint.chatCompletions) throw emptyArray('tools');
    tools.forEach((tool: unknown, i) => assertTool(endpoint, tool, `tools[${i}]`));
  }
  if (choice === undefined) return;
  if (tools === undefined && choice !== 'none' && choice !== 'auto')
    throw badChoice("'tool_choice' is only allowed when 'tools' are specified.");
  if (typeof choice === 'string') {
    if (!CHOICES.includes(choice)) throw invalidValue('tool_choice', choice, CHOICES);
    return;
  }
  if (!isObject(choice)) throw invalidType('tool_choice', 'one of a string or an object', choice);
  if (choice['type'] === undefined) throw missingParameter('tool_choice.type');
  if (choice['type'] === 'function') {
    const name = chosenName(choice);
    if (typeof name !== 'string') throw missingParameter('tool_choice.function.name');
    if (!functionTools(body).some((tool) => tool.name === name))
      throw badChoice(`no tool with the name '${name}' is specified in 'tools'.`);
  } else if (endpoint === BatchEndpoint.chatCompletions)
    throw invalidValue('tool_choice.type', choice['type'], ['function']);
}

function assertTool(endpoint: BatchEndpoint, tool: unknown, param: string): void {
  if (!isObject(tool)) throw invalidType(param, 'an object', tool);
  const { type } = tool;
  if (type === undefined) throw missingParameter(`${param}.type`);
  const inChat = endpoint === BatchEndpoint.chatCompletions;
  if (inChat && type !== 'function' && type !== 'custom')
    throw invalidValue(`${param}.type`, type, ['function', 'custom']);
  if (type !== 'function') return;
  const at = inChat ? `${param}.function` : param;
  const holder = inChat ? tool['function'] : tool;
  if (!isObject(holder)) throw missingParameter(at);
  const { name, parameters } = holder;
  if (name === undefined) throw missingParameter(`${at}.name`);
  if (typeof name !== 'string') throw invalidType(`${at}.name`, 'a string', name);
  if (!NAME.test(name))
    throw new ApiError(
      400,
      `Invalid '${at}.name': string does not match pattern. Expected a string that matches the pattern '${NAME.source}'.`,
      { param: `${at}.name`, code: 'invalid_value' },
    );
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    throw invalidType(`${at}.parameters`, 'an object', parameters);
}

function badChoice(why: string): ApiError {
  return new ApiError(400, `Invalid value for 'tool_choice': ${why}`, { param: 'tool_choice' });
}
