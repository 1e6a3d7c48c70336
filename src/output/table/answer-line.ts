import { withoutLoneSurrogates } from '../../core/lone-surrogates.ts';
import type { ResultRow } from '../../core/result-row.ts';
import { answerEmbeddings, answerForm, answerText, objectOf, whyNoText } from '../../openai/rows/answers.ts';
import { readPlainRow, type PlainRow } from '../../openai/rows/plain-row.ts';
import type { AnswerColumns } from './answer-columns.ts';

/** The columns of answer lines in DuckDB; `answer` depends on the kind of answers. */
export const lineColumns = {
  custom_id: 'VARCHAR',
  status: 'VARCHAR',
  error: 'VARCHAR',
  input_tokens: 'BIGINT',
  output_tokens: 'BIGINT',
} as const;

/** The type of the member `answer` of answer lines. */
export const answerTypes: Readonly<Record<AnswerColumns['kind'], string>> = {
  properties: 'JSON',
  json: 'JSON',
  text: 'VARCHAR',
  vector: 'FLOAT[]',
};

/** What of a result row a table has: the number of its line, and one line of JSON that DuckDB can read. */
export interface AnswerLine {
  readonly line: number;
  readonly json: string;
}

/** Makes the line of a row of the results, which is given as its text. */
export function answerLine(text: string, kind: AnswerColumns['kind']): AnswerLine {
  const plain = kind === 'text' || kind === 'properties' ? readPlainRow(text) : null;
  const json = plain === null ? null : plainAnswer(plain, kind);
  if (plain === null || json === null) {
    const row = JSON.parse(text) as ResultRow;
    return { line: row.line, json: lineOfRow(row, kind) };
  }
  const { line, id, inputTokens, outputTokens } = plain;
  return {
    line,
    json: `{"custom_id":${withoutLoneSurrogates(id)},"status":"answered","error":null,"input_tokens":${inputTokens},"output_tokens":${outputTokens},"answer":${json}}`,
  };
}

/** The JSON of the answer of a plain row; null if the row has to say why there is none. */
function plainAnswer({ text }: PlainRow, kind: AnswerColumns['kind']): string | null {
  if (kind === 'text') return withoutLoneSurrogates(text);
  const answer = JSON.parse(text) as string;
  return isObjectText(answer) ? onOneLine(answer) : null;
}

function lineOfRow(row: ResultRow, kind: AnswerColumns['kind']): string {
  const { id, status, error, usage } = row;
  const { json, why } = status === 'answered' ? cellOf(row, kind) : { json: null, why: null };
  const message = error === null ? why : `${error.code}: ${error.message}`;
  return `{"custom_id":${toJson(id)},"status":"${status}","error":${toJson(message)},"input_tokens":${usage?.input_tokens ?? null},"output_tokens":${usage?.output_tokens ?? null},"answer":${json}}`;
}

/** The JSON of an answer, or why there is none. */
interface AnswerCell {
  readonly json: string | null;
  readonly why: string | null;
}

function cellOf(row: ResultRow, kind: AnswerColumns['kind']): AnswerCell {
  const form = answerForm(objectOf(row.response));
  if (form === 'vectors') return readVectors(row, kind);
  if (form === 'whole' && kind !== 'vector')
    return { json: asCell(JSON.stringify(row.response), kind), why: null };
  const text = answerText(row);
  if (text === null || kind === 'vector') {
    const other = 'The answer has another form than the column: see the response of the row in the results.';
    return { json: null, why: whyNoText(row) ?? other };
  }
  if (kind === 'text') return { json: toJson(text), why: null };
  return isObjectText(text)
    ? { json: onOneLine(text), why: null }
    : {
        json: null,
        why: whyNoText(row) ?? 'The answer is not a JSON object: see the response of the row in the results.',
      };
}

function readVectors(row: ResultRow, kind: AnswerColumns['kind']): AnswerCell {
  const vectors = answerEmbeddings(row);
  if (vectors === null) return { json: null, why: 'The answer is an embedding without a vector.' };
  if (kind !== 'vector')
    return { json: asCell(JSON.stringify(vectors.length === 1 ? vectors[0] : vectors), kind), why: null };
  return vectors.length === 1
    ? { json: JSON.stringify(vectors[0]), why: null }
    : {
        json: null,
        why: `The answer has ${vectors.length} embeddings: see the response of the row in the results.`,
      };
}

/** JSON for a column of texts or of JSON. */
function asCell(json: string, kind: AnswerColumns['kind']): string {
  return kind === 'text' ? toJson(json) : withoutLoneSurrogates(json);
}

function isObjectText(text: string): boolean {
  try {
    return objectOf(JSON.parse(text)) !== null;
  } catch {
    return false;
  }
}

/**
 * The text of JSON as one line that DuckDB can read, with its numbers as they are. Line breaks are between tokens: inside strings, JSON has
 * them only as escapes.
 */
function onOneLine(text: string): string {
  return withoutLoneSurrogates(text.replaceAll(/[\r\n]/g, ' '));
}

/** JSON of a text; half of a surrogate pair, which UTF-8 cannot have, becomes U+FFFD. */
function toJson(text: string | null): string {
  return withoutLoneSurrogates(JSON.stringify(text));
}
