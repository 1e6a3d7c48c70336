import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { answerText } from '../../openai/rows/answers.ts';
import { readAnswer } from '../../openai/rows/read-answer.ts';
import type { ReadRow } from '../../openai/rows/read-result-row.ts';
import { meaningOf, RowMeaning } from '../../openai/rows/row-meaning.ts';
import { WrongCode, type IsAnswer, type RowRule, type WrongAnswer } from './wrong-answer.ts';

/** How many errors of an answer its message names, and how long the message may be. */
const ERRORS_NAMED = 3;
const MESSAGE_CHARACTERS = 400;

/** A rough check of each format that strict mode accepts: it refuses no value that the API has accepted. */
const formats = {
  'date-time': /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d/,
  time: /^\d\d:\d\d/,
  date: /^\d{4}-\d\d-\d\d$/,
  duration: /^-?P/,
  email: /^\S+@\S+$/,
  hostname: /^[^\s/@]+$/,
  ipv4: /^\d{1,3}(\.\d{1,3}){3}$/,
  ipv6: /^[0-9a-f:.]+$/i,
  uuid: /^(urn:uuid:)?[0-9a-f-]{32,36}$/i,
} as const;

/**
 * The rule of a job whose answers have a schema: an answer that is not JSON or does not fit the schema, a refusal, and an answer that was
 * cut are wrong. A text that fits is an answer, whatever the reason for its end.
 * @throws Error when the schema does not compile
 */
export function answerRule(schema: Readonly<Record<string, unknown>>): RowRule {
  const validate = compile(schema);
  return (row) => {
    const meaning = meaningOf(row);
    if (meaning !== RowMeaning.Answered) return meaning;
    if (row.textEnd > 0 && problemOf(parseText(row), validate) === null) return meaning;
    return wrongOf(row, validate) ?? meaning;
  };
}

/**
 * A check whether the answer of a result row fits a schema, for rows that were not settled by its rule.
 * @throws Error when the schema does not compile
 */
export function answerCheck(schema: Readonly<Record<string, unknown>>): IsAnswer {
  const validate = compile(schema);
  return (row) => {
    const text = answerText(row);
    return text !== null && problemOf(text, validate) === null;
  };
}

/** `strict` is about the schema, which the API has accepted; its identifiers mean nothing to the API. */
function compile(schema: Readonly<Record<string, unknown>>): ValidateFunction {
  const ajv = new Ajv2020({
    strict: false,
    validateSchema: false,
    meta: false,
    allErrors: true,
    formats,
    unicodeRegExp: false,
    multipleOfPrecision: 6,
    logger: false,
  });
  return ajv.compile(withoutIds(schema) as Record<string, unknown>);
}

function parseText({ source, textStart, textEnd }: ReadRow): string {
  return JSON.parse(source.toString('utf8', textStart, textEnd)) as string;
}

/** Why a text is no answer, as a sentence; null for an answer. */
function problemOf(text: string, validate: ValidateFunction): string | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'The answer is not JSON.';
  }
  try {
    if (validate(value)) return null;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return 'The answer is nested too deep.';
  }
  const errors = (validate.errors ?? []).slice(0, ERRORS_NAMED).map(sentenceOf);
  return shortened(`The answer does not fit the schema: ${errors.join('; ')}.`);
}

/** Why an answer that was not found in one piece, or does not fit, is wrong; null if it is not. */
function wrongOf({ source, bodyStart, bodyEnd }: ReadRow, validate: ValidateFunction): WrongAnswer | null {
  const { text, isRefused, isCut } = readAnswer(source.toString('utf8', bodyStart, bodyEnd));
  const problem = text === null ? 'The answer has no text.' : problemOf(text, validate);
  if (problem === null) return null;
  if (isRefused) return { code: WrongCode.Refused, message: 'The model refused to answer.' };
  if (isCut) return { code: WrongCode.Cut, message: 'The answer was cut at the limit of output tokens.' };
  return { code: WrongCode.Invalid, message: problem };
}

/** The place and the broken rule of an error. */
function sentenceOf({ instancePath, message, params }: ErrorObject): string {
  const { additionalProperty } = params as { additionalProperty?: string };
  const name = additionalProperty === undefined ? '' : ` (${JSON.stringify(additionalProperty)})`;
  return `${instancePath === '' ? 'it' : instancePath} ${message ?? 'is wrong'}${name}`;
}

function shortened(text: string): string {
  return text.length <= MESSAGE_CHARACTERS ? text : `${text.slice(0, MESSAGE_CHARACTERS - 1)}…`;
}

/** The schema without `$id` and `$schema`, by which a validator would look for other schemas. */
function withoutIds(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutIds);
  if (typeof schema !== 'object' || schema === null) return schema;
  const members = Object.entries(schema).filter(([key]) => key !== '$id' && key !== '$schema');
  return Object.fromEntries(
    members.map(([key, value]): [string, unknown] => {
      if (key === 'items' || key === 'anyOf') return [key, withoutIds(value)];
      return [key, key === 'properties' || key === '$defs' || key === 'definitions' ? each(value) : value];
    }),
  );
}

function each(schemas: unknown): unknown {
  return Object.fromEntries(
    Object.entries(schemas as object).map(([name, schema]) => [name, withoutIds(schema)]),
  );
}
