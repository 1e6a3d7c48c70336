import {
  ApiError,
  assertDecimal,
  assertInteger,
  emptyArray,
  invalidType,
  invalidValue,
  missingParameter as missing,
} from './api-error.ts';
import type { JsonObject } from './answers/answer.ts';
import { BatchEndpoint } from './answers/batch-endpoint.ts';
import { isObject } from './answers/request-text.ts';

/** Throws the API's error if the value of a parameter is invalid. */
type Check = (value: unknown, param: string, body: JsonObject) => void;
type Checks = Readonly<Record<string, Check>>;

/** Throws if a parameter has the wrong type, is out of range, or is not supported by the endpoint or the model. */
export function assertParameters(endpoint: BatchEndpoint, body: JsonObject, reasoning: boolean): void {
  const checks = CHECKS.get(endpoint);
  for (const param in body) {
    const check = checks?.get(param);
    if (check === undefined) continue;
    const value = body[param];
    if (value === null || value === undefined) continue;
    check(value, param, body);
    if (reasoning) assertForReasoning(param, value);
  }
}

/** The maximum of token limits without one. */
const NO_MAXIMUM = Number.MAX_SAFE_INTEGER;
const MAX_STOPS = 4;

function integer(min: number, max: number): Check {
  return (value, param) => assertInteger(param, value, min, max);
}

function decimal(min: number, max: number): Check {
  return (value, param) => assertDecimal(param, value, min, max);
}

const boolean: Check = (value, param) => {
  if (typeof value !== 'boolean') throw invalidType(param, 'a boolean', value);
};

const stop: Check = (value, param) => {
  if (typeof value === 'string') return;
  if (!Array.isArray(value)) throw invalidType(param, 'one of an array of strings or a string', value);
  if (value.length === 0) throw emptyArray(param);
  if (value.length > MAX_STOPS)
    throw new ApiError(
      400,
      `Invalid '${param}': array too long. Expected an array with maximum length ${MAX_STOPS}, but got an array with length ${value.length} instead.`,
      { param, code: 'array_above_max_length' },
    );
  value.forEach((each: unknown, i) => {
    if (typeof each !== 'string') throw invalidType(`${param}[${i}]`, 'a string', each);
  });
};

const topLogprobs: Check = (value, param, body) => {
  assertInteger(param, value, 0, 20);
  if (body['logprobs'] !== true)
    throw new ApiError(400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", {
      param,
      code: 'invalid_parameter',
    });
};

const maxTokens: Check = (value, param, body) => {
  assertInteger(param, value, 1, NO_MAXIMUM);
  if (body['max_completion_tokens'] !== undefined && body['max_completion_tokens'] !== null)
    throw new ApiError(
      400,
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      { param, code: 'invalid_parameter_combination' },
    );
};

const responseFormat: Check = (value, param) => {
  if (!isObject(value)) throw invalidType(param, 'an object', value);
  const { type } = value;
  if (type !== 'text' && type !== 'json_object' && type !== 'json_schema')
    throw invalidValue(`${param}.type`, type, ['json_object', 'json_schema', 'text']);
  if (type !== 'json_schema') return;
  const schema = value['json_schema'];
  if (!isObject(schema)) throw missing(`${param}.json_schema`);
  if (schema['name'] === undefined) throw missing(`${param}.json_schema.name`);
};

const textFormat: Check = (value, param) => {
  if (!isObject(value)) throw invalidType(param, 'an object', value);
  const { format } = value;
  if (format === undefined || format === null) return;
  if (!isObject(format)) throw invalidType(`${param}.format`, 'an object', format);
  const { type } = format;
  if (type !== 'text' && type !== 'json_object' && type !== 'json_schema')
    throw invalidValue(`${param}.format.type`, type, ['json_object', 'json_schema', 'text']);
  if (type !== 'json_schema') return;
  for (const name of ['name', 'schema'])
    if (format[name] === undefined) throw missing(`${param}.format.${name}`);
};

const unrecognized: Check = (_value, param) => {
  throw new ApiError(400, `Unrecognized request argument supplied: ${param}`);
};

const unknown: Check = (_value, param) => {
  throw new ApiError(400, `Unknown parameter: '${param}'.`, { param, code: 'unknown_parameter' });
};

/** Native lengths of the vectors, the maximum of `dimensions`. */
const DIMENSIONS: Readonly<Record<string, number>> = {
  'text-embedding-3-small': 1536,
  'text-embedding-3-large': 3072,
};

const dimensions: Check = (value, param, body) => {
  if (body['model'] === 'text-embedding-ada-002')
    throw new ApiError(400, 'This model does not support specifying dimensions.');
  assertInteger(param, value, 1, DIMENSIONS[String(body['model'])] ?? 16_384);
};

const encodingFormat: Check = (value, param) => {
  if (value !== 'float' && value !== 'base64') throw invalidValue(param, value, ['float', 'base64']);
};

const sampling: Checks = { temperature: decimal(0, 2), top_p: decimal(0, 1) };
const penalties: Checks = { presence_penalty: decimal(-2, 2), frequency_penalty: decimal(-2, 2) };
const images: Checks = { n: integer(1, 10) };

/** The checks of each endpoint; other parameters are ignored. */
const CHECKS_BY_NAME: Readonly<Record<BatchEndpoint, Checks>> = {
  [BatchEndpoint.chatCompletions]: {
    ...sampling,
    ...penalties,
    n: integer(1, 128),
    max_tokens: maxTokens,
    max_completion_tokens: integer(1, NO_MAXIMUM),
    stop,
    logprobs: boolean,
    top_logprobs: topLogprobs,
    response_format: responseFormat,
    input: unrecognized,
    instructions: unrecognized,
    max_output_tokens: unrecognized,
  },
  [BatchEndpoint.responses]: {
    ...sampling,
    max_output_tokens: integer(16, NO_MAXIMUM),
    top_logprobs: integer(0, 20),
    text: textFormat,
    messages: unknown,
    n: unknown,
    stop: unknown,
    logprobs: unknown,
    max_tokens: unknown,
    max_completion_tokens: unknown,
    response_format: unknown,
    presence_penalty: unknown,
    frequency_penalty: unknown,
  },
  [BatchEndpoint.embeddings]: { dimensions, encoding_format: encodingFormat },
  [BatchEndpoint.completions]: {
    ...sampling,
    ...penalties,
    n: integer(1, 128),
    best_of: integer(1, 20),
    max_tokens: integer(0, NO_MAXIMUM),
    logprobs: integer(0, 5),
    stop,
  },
  [BatchEndpoint.moderations]: {},
  [BatchEndpoint.imageGenerations]: images,
  [BatchEndpoint.imageEdits]: images,
};
/** The same as maps, because a body may have a member called `constructor`. */
const CHECKS: ReadonlyMap<BatchEndpoint, ReadonlyMap<string, Check>> = new Map(
  Object.entries(CHECKS_BY_NAME).map(([endpoint, checks]) => [
    endpoint as BatchEndpoint,
    new Map(Object.entries(checks)),
  ]),
);

/** The only value that reasoning models accept for a parameter; `undefined` if they do not support the parameter. */
const FIXED_FOR_REASONING: Readonly<Record<string, number | false | undefined>> = {
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  logprobs: false,
  top_logprobs: undefined,
  max_tokens: undefined,
  stop: undefined,
};

function assertForReasoning(param: string, value: unknown): void {
  if (!Object.hasOwn(FIXED_FOR_REASONING, param)) return;
  const only = FIXED_FOR_REASONING[param];
  if (value === only) return;
  if (typeof only === 'number')
    throw new ApiError(
      400,
      `Unsupported value: '${param}' does not support ${JSON.stringify(value)} with this model. Only the default (${only}) value is supported.`,
      { param, code: 'unsupported_value' },
    );
  const instead = param === 'max_tokens' ? " Use 'max_completion_tokens' instead." : '';
  throw new ApiError(400, `Unsupported parameter: '${param}' is not supported with this model.${instead}`, {
    param,
    code: 'unsupported_parameter',
  });
}
