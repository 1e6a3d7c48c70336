import { BatchEndpoint } from './answers/batch-endpoint.ts';
import { embeddingInputs } from './answers/embedding.ts';
import { isObject } from './answers/request-text.ts';
import { estimateInputTokens } from './answers/token-estimate.ts';
import { describeJsonType } from './api-error.ts';
import type { ValidatedInput } from './batch-record.ts';
import type { BatchErrorItem } from './faults/batch-fault.ts';
import { lineStarts, lineText, readBlocks } from './line-blocks.ts';
import type { LineBlock } from './line-blocks.ts';
import { createTimeSlice } from './time-slice.ts';

export interface BatchLimits {
  maxBatchBytes: number;
  maxBatchLines: number;
  maxEmbeddingInputs: number;
  maxReportedErrors: number;
  unsupportedModels: readonly string[];
  models: readonly string[] | undefined;
}

/** The result of validation: its errors, or a summary of the input. */
export type ValidationResult =
  | { errors: BatchErrorItem[] }
  | { errors: null; input: ValidatedInput; blocks: LineBlock[] };

/**
 * Reads the whole input once and checks every line, as the API does before a batch starts. It reports at most one error for a
 * line, and several lines together. Returns undefined as soon as `stop` returns true.
 */
export async function validateBatch(
  path: string,
  sizeBytes: number,
  endpoint: BatchEndpoint,
  limits: BatchLimits,
  stop: () => boolean,
): Promise<ValidationResult | undefined> {
  const check = new LineCheck(endpoint, limits);
  const blocks: LineBlock[] = [];
  const errors: BatchErrorItem[] = [];
  const slice = createTimeSlice();

  for await (const { block, bytes } of readBlocks(path)) {
    blocks.push(block);
    const starts = lineStarts(bytes, block.lines);
    for (let line = 0; line < block.lines; line++) {
      const error = check.line(lineText(bytes, starts, line), block.firstLine + line);
      if (error && errors.length < limits.maxReportedErrors) errors.push(error);
      if (slice.isOver()) {
        await slice.yieldToOthers();
        if (stop()) return undefined;
      }
    }
    if (sizeBytes > limits.maxBatchBytes) return { errors: [tooLarge(limits, check.model)] };
    if (check.lines > limits.maxBatchLines) return { errors: [tooManyLines(limits)] };
  }

  if (check.lines === 0) return { errors: [emptyFile()] };
  if (check.embeddingInputs > limits.maxEmbeddingInputs) errors.unshift(tooManyInputs(limits, check));
  if (errors.length > 0) return { errors };
  return {
    errors: null,
    input: { model: check.model ?? '', lines: check.lines, promptTokens: check.promptTokens },
    blocks,
  };
}

/** Checks one line after another, with the values that must be equal or different in all of them. */
class LineCheck {
  lines = 0;
  model: string | undefined;
  promptTokens = 0;
  embeddingInputs = 0;
  readonly #endpoint: BatchEndpoint;
  readonly #limits: BatchLimits;
  readonly #customIds = new Set<string>();

  constructor(endpoint: BatchEndpoint, limits: BatchLimits) {
    this.#endpoint = endpoint;
    this.#limits = limits;
  }

  line(text: string, number: number): BatchErrorItem | undefined {
    this.lines++;
    const request = parseObject(text);
    if (!request) return item('invalid_json_line', 'This line is not parseable as valid JSON.', null, number);
    const error = this.#envelope(request) ?? this.#body(request['body'] as Record<string, unknown>);
    return error && { ...error, line: number };
  }

  #envelope(request: Record<string, unknown>): BatchErrorItem | undefined {
    for (const name of ['custom_id', 'method', 'url', 'body']) {
      if (request[name] === undefined || request[name] === null)
        return item('missing_required_parameter', `Missing required parameter: '${name}'.`, name);
    }
    const { custom_id: customId, method, url, body } = request;
    if (typeof customId !== 'string') return wrongType('custom_id', 'a string', customId);
    if (!isObject(body)) return wrongType('body', 'an object', body);
    if (method !== 'POST')
      return item('invalid_method', "The method provided for this request must be 'POST'.", 'method');
    if (url !== this.#endpoint)
      return item(
        'invalid_url',
        'The URL provided for this request does not match the batch endpoint.',
        'url',
      );
    if (this.#customIds.has(customId))
      return item(
        'duplicate_custom_id',
        `The custom_id '${customId}' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.`,
        'custom_id',
      );
    this.#customIds.add(customId);
    return undefined;
  }

  #body(body: Record<string, unknown>): BatchErrorItem | undefined {
    const { model } = body;
    if (typeof model !== 'string' || model === '')
      return item('invalid_request', 'Model parameter is required.', 'body.model');
    // Checked once for each model: other lines of the same model need no check.
    if (model !== this.model && !this.#isKnown(model))
      return item(
        'model_not_found',
        `The provided model '${model}' is not supported by the Batch API.`,
        'body.model',
      );
    this.model ??= model;
    if (model !== this.model)
      return item(
        'mismatched_model',
        `The model '${model}' for this request does not match the rest of the batch. Each batch must contain requests for a single model.`,
        'body.model',
      );
    if (body['stream'] === true)
      return item(
        'streaming_unsupported',
        'Chat Completions: Streaming is not supported in the Batch API.',
        'body.stream',
      );
    const missing = missingInput(this.#endpoint, body);
    if (missing) return item('invalid_request', `${missing.label} parameter is required.`, missing.param);
    this.promptTokens += estimateInputTokens(this.#endpoint, body);
    if (this.#endpoint === BatchEndpoint.embeddings)
      this.embeddingInputs += embeddingInputs(body['input']).length;
    return undefined;
  }

  #isKnown(model: string): boolean {
    const { models, unsupportedModels } = this.#limits;
    return !unsupportedModels.includes(model) && (models?.includes(model) ?? true);
  }
}

/** The required input that is missing. Its form is checked when the request is executed. */
function missingInput(
  endpoint: BatchEndpoint,
  body: Record<string, unknown>,
): { label: string; param: string } | undefined {
  switch (endpoint) {
    case BatchEndpoint.chatCompletions:
      return isPresent(body['messages']) ? undefined : { label: 'Messages', param: 'body.messages' };
    case BatchEndpoint.responses:
      // A stored prompt may replace the input.
      return isPresent(body['input']) || isPresent(body['prompt'])
        ? undefined
        : { label: 'Input', param: 'body.input' };
    case BatchEndpoint.embeddings:
    case BatchEndpoint.moderations:
      return isPresent(body['input']) ? undefined : { label: 'Input', param: 'body.input' };
    case BatchEndpoint.completions:
    case BatchEndpoint.imageGenerations:
    case BatchEndpoint.imageEdits:
      return isPresent(body['prompt']) ? undefined : { label: 'Prompt', param: 'body.prompt' };
    default:
      return endpoint satisfies never;
  }
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function item(
  code: string,
  message: string,
  param: string | null,
  line: number | null = null,
): BatchErrorItem {
  return { code, message, param, line };
}

function wrongType(param: string, expected: string, got: unknown): BatchErrorItem {
  const message = `Invalid type for '${param}': expected ${expected}, but got ${describeJsonType(got)} instead.`;
  return item('invalid_type', message, param);
}

function emptyFile(): BatchErrorItem {
  return item('empty_file', 'The batch input file is empty.', null);
}

function tooLarge(limits: BatchLimits, model: string | undefined): BatchErrorItem {
  return item(
    'batch_size_limit_exceeded',
    `The batch input file is larger than the ${limits.maxBatchBytes} maximum for the ${model ?? 'requested'} model. Please try again with a smaller batch.`,
    null,
  );
}

function tooManyLines(limits: BatchLimits): BatchErrorItem {
  return item(
    'too_many_tasks',
    `The number of requests in the batch input file exceeds the maximum of ${limits.maxBatchLines}.`,
    null,
  );
}

function tooManyInputs(limits: BatchLimits, check: LineCheck): BatchErrorItem {
  return item(
    'too_many_inputs',
    `The batch contains ${check.embeddingInputs} embedding inputs, more than the maximum of ${limits.maxEmbeddingInputs}.`,
    null,
  );
}
