import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ResultRow } from '../core/result-row.ts';
import {
  answerEmbeddings,
  answerForm,
  answerText,
  objectOf,
  whyCut,
  whyNoText,
} from '../openai/rows/answers.ts';

/** Why an answer does not satisfy its schema, or why there is none to check. */
export interface AnswerIssue {
  /** The message of the schema's library. */
  readonly message: string;
  /** The path in the answer; empty for the answer as a whole. */
  readonly path: readonly PropertyKey[];
}

/** A row whose answer satisfies the schema. */
export interface ValidRow<T> extends ResultRow {
  /** Only answered lines have a value. */
  readonly status: 'answered';
  /** The answer satisfies the schema. */
  readonly ok: true;
  /** The output of the schema for the answer. */
  readonly value: T;
  /** None. */
  readonly issues: null;
}

/** A row without a value: the line has no answer (`issues` null, the reason in `error`), or its answer does not satisfy the schema. */
export interface InvalidRow extends ResultRow {
  /** There is no value: see `issues` and `error`. */
  readonly ok: false;
  /** None. */
  readonly value: undefined;
  /** Why the answer does not satisfy the schema; null for a line without an answer. */
  readonly issues: readonly AnswerIssue[] | null;
}

/** A row with the output of a schema for its answer; check `ok` first. Every line has a row. */
export type TypedRow<T> = ValidRow<T> | InvalidRow;

/**
 * Parses the answer of a row by a schema of zod 4, valibot, arktype or any other library that implements Standard Schema.
 *
 * A text answer that satisfies the schema unparsed stays text (`z.string()`, `z.enum([…])`); otherwise it is parsed as
 * JSON. An embedding is its vector, or a list of vectors if the line has several inputs. The body of moderations and images
 * is passed to the schema unchanged. A missing text is not passed to the
 * schema: `issues` has the reason (refused, cut, tool calls). An answer that does not satisfy the schema was paid
 * nevertheless: its row has `ok` false, the reasons in `issues`, and the answer in `response`.
 */
export async function toTypedRow<S extends StandardSchemaV1>(
  row: ResultRow,
  schema: S,
): Promise<TypedRow<StandardSchemaV1.InferOutput<S>>> {
  if (row.status !== 'answered') return { ...row, ok: false, value: undefined, issues: null };
  const result = await validateAnswer(
    row,
    schema['~standard'].validate as Validate<StandardSchemaV1.InferOutput<S>>,
  );
  if (result.issues === undefined) {
    return { ...row, status: 'answered', ok: true, value: result.value, issues: null };
  }
  const issues = result.issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((step) => (typeof step === 'object' ? step.key : step)),
  }));
  return { ...row, ok: false, value: undefined, issues };
}

type Result<T> = StandardSchemaV1.Result<T>;
type Validate<T> = (value: unknown) => Result<T> | Promise<Result<T>>;

async function validateAnswer<T>(row: ResultRow, validate: Validate<T>): Promise<Result<T>> {
  const form = answerForm(objectOf(row.response));
  if (form === null)
    return issue('The answer has none of the forms that the API documents: see the response of the row.');
  if (form === 'whole') return await validate(row.response);
  if (form !== 'vectors') return await validateText(row, validate);
  const vectors = answerEmbeddings(row);
  if (vectors === null)
    return issue('The answer is an embedding without a vector: see the response of the row.');
  return await validate(vectors.length === 1 ? vectors[0] : vectors);
}

/** Validates the text of an answer. The schema never gets the body around the text: a schema of optional fields only would accept it. */
async function validateText<T>(row: ResultRow, validate: Validate<T>): Promise<Result<T>> {
  const text = answerText(row);
  if (text === null || text.trim() === '') {
    const why = whyNoText(row);
    if (why !== null) return issue(why);
    if (text === null) return issue('The answer has no text: see the response of the row.');
  }
  const asText = await validate(text);
  if (asText.issues === undefined) return asText;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not the parser's own message: it quotes the answer.
    const cut = whyCut(row);
    return {
      issues: [{ message: `The answer is not JSON${cut === null ? '' : `: ${cut}`}.` }, ...asText.issues],
    };
  }
  return await validate(parsed);
}

function issue(message: string): StandardSchemaV1.FailureResult {
  return { issues: [{ message }] };
}
