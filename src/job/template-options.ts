import type { StandardJSONSchemaV1 } from '@standard-schema/spec';
import { badOption } from '../core/bad-option.ts';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { Endpoint } from '../core/limits.ts';
import type { TemplateNames } from '../render/column-uses.ts';
import type { ColumnReference, RequestTemplate, TemplateImages } from '../render/request-template.ts';

/** The options of a job that describe its request template; see `RequestTemplate`. */
export interface TemplateOptions {
  /** The text that the model gets, as a Liquid template over the columns of a row. */
  prompt?: string;
  /** The system message, or the instructions of `/v1/responses`, as a Liquid template. */
  system?: string;
  /** The model, or the column that names it. */
  model?: string | ColumnReference;
  /** @default `/v1/chat/completions` */
  endpoint?: string;
  /** Further fields of the request's body, the same for all rows. */
  params?: Readonly<Record<string, unknown>>;
  /** The column of images: URLs, paths of files, or lists of them. */
  images?: TemplateImages;
  /** The form of the answers: a JSON Schema, or a schema of zod or another library with Standard JSON Schema. */
  answer?: Readonly<Record<string, unknown>> | StandardJSONSchemaV1;
  /** The column of the ids (`custom_id`). @default a row is known by its number */
  id?: ColumnReference;
}

/**
 * The checked request template that options describe; null without `prompt`. The template language and zod are loaded only for a
 * template.
 * @throws BatchError `bad_option` naming the option, and `bad_input` for a text that is not a template, with line and column; `names`
 * are the files of the texts
 */
export async function requestTemplateOf(
  options: TemplateOptions,
  names: TemplateNames = {},
): Promise<RequestTemplate | null> {
  const { prompt, model, answer, endpoint = Endpoint.ChatCompletions } = options;
  if (prompt === undefined) {
    const needing = (['system', 'params', 'images', 'answer', 'id'] as const).find(
      (name) => options[name] !== undefined,
    );
    if (needing !== undefined)
      throw badOption(needing, 'needs a prompt: a file of ready requests is sent as it is');
    return null;
  }
  if (model === undefined) throw badOption('model', 'is missing: name a model, or the column that names it');
  const [{ parseRequestTemplate }, { compileTemplate }] = await Promise.all([
    import('../render/template-schema.ts'),
    import('../render/compile-template.ts'),
  ]);
  const { system, params, images, id } = options;
  const format = answer && toAnswerFormat(answer);
  const given = { endpoint, model, prompt, system, params, images, answer: format, id };
  const template = parseRequestTemplate(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  compileTemplate(template, { names });
  return template;
}

/** The name of a schema is its title, if the API accepts that as a name. */
function toAnswerFormat(answer: NonNullable<TemplateOptions['answer']>): unknown {
  const schema = isStandardSchema(answer) ? closed(toJsonSchema(answer)) : answer;
  const { title } = schema as { title?: unknown };
  const name = typeof title === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(title) ? title : 'answer';
  return { name, schema };
}

function isStandardSchema(answer: object): answer is StandardJSONSchemaV1 {
  return '~standard' in answer;
}

function toJsonSchema(schema: StandardJSONSchemaV1): unknown {
  try {
    return schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' });
  } catch (cause) {
    const problem =
      'cannot be written as a JSON Schema: use a library with Standard JSON Schema (zod 4.2), and only types of JSON';
    throw new BatchError(ErrorCode.BadOption, `Option answer ${problem}.`, {
      details: { option: 'answer' },
      cause,
    });
  }
}

/** The schema with `additionalProperties: false` where an object leaves it out: libraries write objects that ignore other properties. */
function closed(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed);
  const members = Object.entries(schema).map(([key, value]) => {
    const isSchemas = key === 'properties' || key === '$defs';
    if (isSchemas)
      return [
        key,
        Object.fromEntries(Object.entries(value as object).map(([name, each]) => [name, closed(each)])),
      ];
    return [key, key === 'items' || key === 'anyOf' ? closed(value) : value];
  });
  const isObject = (schema as { type?: unknown }).type === 'object';
  return { ...(isObject ? { additionalProperties: false } : {}), ...Object.fromEntries(members) };
}
