import type { StandardSchemaV1 } from '@standard-schema/spec';
import { answerEmbeddings, answerForm, answerText, objectOf, whyCut, whyNoText } from './answers.ts';
import type { ResultRow } from './result-rows.ts';

/** What is wrong with an answer, as its schema says it, or what there was none for. */
export interface AnswerIssue {
  /** What is wrong, in the words of the schema's library. */
  readonly message: string;
  /** Where in the answer; empty for the answer as a whole. */
  readonly path: readonly PropertyKey[];
}

/** A row whose answer satisfies the schema. */
export interface ValidRow<T> extends ResultRow {
  /** Only answered lines have a value. */
  readonly status: 'answered';
  /** The answer is what the schema asks for. */
  readonly ok: true;
  /** What the schema made of the answer. */
  readonly value: T;
  /** None. */
  readonly issues: null;
}

/** A row without a value: the line has no answer (`issues` null, `error` says why), or its answer is not what was asked for. */
export interface InvalidRow extends ResultRow {
  /** There is no value: ask `issues` and `error`. */
  readonly ok: false;
  /** None. */
  readonly value: undefined;
  /** Why the answer does not satisfy the schema; null for a line without an answer. */
  readonly issues: readonly AnswerIssue[] | null;
}

/** A row with what a schema made of its answer; ask `ok` first. No row is left out: every line has one. */
export type TypedRow<T> = ValidRow<T> | InvalidRow;

/**
 * Reads the answer of a row by a schema: zod 4, valibot, arktype or any other that speaks Standard Schema.
 *
 * A text answer that satisfies the schema as it is stays text (`z.string()`, `z.enum([…])`); otherwise it is parsed as
 * JSON. An embedding is its vector, or a list of vectors where the line asked for several. What moderations and images
 * answer is given to the schema as the API sent it. An answer without a text where one was asked for is not given to the
 * schema: `issues` says why there is none (refused, cut, tool calls). An answer that does not satisfy the schema was paid
 * all the same: its row is given with `ok` false, what is wrong in `issues`, and the answer in `response`.
 */
export async function toTypedRow<S extends StandardSchemaV1>(
  row: ResultRow,
  schema: S,
): Promise<TypedRow<StandardSchemaV1.InferOutput<S>>> {
  if (row.status !== 'answered') return { ...row, ok: false, value: undefined, issues: null };
  const result = await judge(row, schema['~standard'].validate as Validate<StandardSchemaV1.InferOutput<S>>);
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

async function judge<T>(row: ResultRow, validate: Validate<T>): Promise<Result<T>> {
  const form = answerForm(objectOf(row.response));
  if (form === null)
    return issue('The answer has none of the forms that the API documents: see the response of the row.');
  if (form === 'whole') return await validate(row.response);
  if (form !== 'vectors') return await judgeText(row, validate);
  const vectors = answerEmbeddings(row);
  if (vectors === null)
    return issue('The answer is an embedding without a vector: see the response of the row.');
  return await validate(vectors.length === 1 ? vectors[0] : vectors);
}

/** Judges the text of an answer. The schema never gets what the text comes in: where all is optional, it would take that for a value. */
async function judgeText<T>(row: ResultRow, validate: Validate<T>): Promise<Result<T>> {
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
    const reason = whyCut(row) ?? 'it is another text';
    return { issues: [{ message: `The answer is not JSON: ${reason}.` }, ...asText.issues] };
  }
  return await validate(parsed);
}

function issue(message: string): StandardSchemaV1.FailureResult {
  return { issues: [{ message }] };
}
