import { BatchError, ErrorCode } from '../core/errors.ts';
import { assertKnownOptions } from '../core/known-options.ts';
import { fieldFault } from './request-body.ts';
import { canonicalTemplate, templateEndpoints, type RequestTemplate } from './request-template.ts';
import { strictSchemaFault } from './strict-schema.ts';
import { exactOptional, oneOf, record, strictObject, string, union, unknown, type ZodType } from './zod.ts';

const columnRule = 'must be the name of a column';
const columnName = string(columnRule).min(1, columnRule);
const column = strictObject({ column: columnName }, 'must be {"column": …} with the name of a column');
const modelRule = 'must be the name of a model, or {"column": …} with the name of a column';
const modelName = string().trim().min(1, modelRule).max(256, modelRule);
const text = string('must be a text').refine((value) => value.trim() !== '', 'is empty');
const fields = record(string(), unknown(), 'must be an object');

const nameRule = 'must be 1 to 64 characters of A-Z a-z 0-9 _ -';

const shape = {
  endpoint: oneOf(templateEndpoints, `must be one of ${templateEndpoints.join(', ')}`),
  model: union([modelName, column], modelRule),
  prompt: text,
  system: exactOptional(text),
  params: exactOptional(fields),
  images: exactOptional(
    strictObject(
      {
        column: columnName,
        detail: exactOptional(oneOf(['low', 'high', 'auto'], 'must be low, high or auto')),
      },
      'must be {"column": …} with the name of a column, and may have "detail": low, high or auto',
    ),
  ),
  answer: exactOptional(
    strictObject(
      { name: string(nameRule).regex(/^[A-Za-z0-9_-]{1,64}$/, nameRule), schema: fields },
      'must be {"name": …, "schema": …}',
    ),
  ),
  id: exactOptional(column),
};

/** The one description of what a request template may contain. */
const requestTemplateSchema: ZodType<RequestTemplate> = strictObject(shape, 'must be an object').superRefine(
  (template, context) => {
    const fault = fieldFault(template);
    if (fault !== null) context.addIssue({ code: 'custom', path: [...fault.path], message: fault.message });
  },
);

/**
 * Checks a template and returns it in its canonical form: plain JSON, with its own fields in a fixed order. The order of `params` and
 * of the answer's properties is kept, because models write properties in this order.
 * @throws BatchError `bad_option` naming the field, and what to change
 */
export function parseRequestTemplate(value: unknown): RequestTemplate {
  const { data, error } = requestTemplateSchema.safeParse(value);
  if (error !== undefined) {
    const [issue] = error.issues;
    const { path, message } = issue!;
    if (issue!.code === 'unrecognized_keys' && path.length === 0)
      assertKnownOptions(value as object, Object.keys(shape));
    throw badTemplate(path.length === 0 ? 'The request template' : `Option ${path.join('.')}`, message);
  }
  const template = toPlain(data);
  const schemaFault = template.answer === undefined ? null : strictSchemaFault(template.answer.schema);
  if (schemaFault !== null) {
    throw new BatchError(ErrorCode.BadOption, `Option answer: ${schemaFault}`, {
      details: { option: 'answer' },
    });
  }
  return template;
}

/** The template as it is written and read: checked in this form, a schema has no cycles of objects, and no values that JSON drops. */
function toPlain(template: RequestTemplate): RequestTemplate {
  try {
    return JSON.parse(canonicalTemplate(template)) as RequestTemplate;
  } catch {
    throw badTemplate(`Option ${isJson(template.params) ? 'answer' : 'params'}`, 'must be plain JSON data');
  }
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value);
    return true;
  } catch {
    return false;
  }
}

function badTemplate(what: string, problem: string): BatchError {
  return new BatchError(ErrorCode.BadOption, `${what} ${problem}.`, {
    details: { option: what.replace(/^Option /, '') },
  });
}
