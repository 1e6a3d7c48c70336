import type { JsonObject } from './answer.ts';
import { isObject } from './request-text.ts';

/** A function the model may call. */
export interface FunctionTool {
  name: string;
  parameters: unknown;
}

/** The function a request makes the model call; `named` says that it was asked for by its name. */
export interface RequiredCall extends FunctionTool {
  named: boolean;
}

/** The function an answer has to call, if `tool_choice` says so. */
export function requiredCall(body: JsonObject): RequiredCall | undefined {
  const choice = body['tool_choice'];
  if (choice === 'required') {
    const [first] = functionTools(body);
    return first && { ...first, named: false };
  }
  if (!isObject(choice) || choice['type'] !== 'function') return undefined;
  const name = nameChosen(choice);
  const tool = functionTools(body).find((each) => each.name === name);
  return tool && { ...tool, named: true };
}

/** Chat nests name and parameters under `function`, /v1/responses does not. */
export function functionTools(body: JsonObject): FunctionTool[] {
  const tools: unknown[] = Array.isArray(body['tools']) ? body['tools'] : [];
  return tools.flatMap((tool) => {
    if (!isObject(tool) || tool['type'] !== 'function') return [];
    const { name, parameters } = isObject(tool['function']) ? tool['function'] : tool;
    return typeof name === 'string' ? [{ name, parameters }] : [];
  });
}

/** The name in a `tool_choice` of the type `function`. */
export function nameChosen(choice: JsonObject): unknown {
  return isObject(choice['function']) ? choice['function']['name'] : choice['name'];
}
