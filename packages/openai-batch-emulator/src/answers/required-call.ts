import type { JsonObject } from './answer.ts';
import { isObject } from './request-text.ts';

/** A function the model may call. */
export interface FunctionTool {
  name: string;
  parameters: unknown;
}

/** The function that a request requires the model to call. */
export interface RequiredCall extends FunctionTool {
  /** Whether `tool_choice` names the function. */
  named: boolean;
}

/** The function that an answer must call because of `tool_choice`. */
export function requiredCall(body: JsonObject): RequiredCall | undefined {
  const choice = body['tool_choice'];
  if (choice === 'required') {
    const [first] = functionTools(body);
    return first && { ...first, named: false };
  }
  if (!isObject(choice) || choice['type'] !== 'function') return undefined;
  const name = chosenName(choice);
  const tool = functionTools(body).find((each) => each.name === name);
  return tool && { ...tool, named: true };
}

/** The tools of the type `function`. Chat nests their name and parameters under `function`, /v1/responses does not. */
export function functionTools(body: JsonObject): FunctionTool[] {
  const tools: unknown[] = Array.isArray(body['tools']) ? body['tools'] : [];
  return tools.flatMap((tool) => {
    if (!isObject(tool) || tool['type'] !== 'function') return [];
    const { name, parameters } = isObject(tool['function']) ? tool['function'] : tool;
    return typeof name === 'string' ? [{ name, parameters }] : [];
  });
}

/** The name in a `tool_choice` of the type `function`. */
export function chosenName(choice: JsonObject): unknown {
  return isObject(choice['function']) ? choice['function']['name'] : choice['name'];
}
