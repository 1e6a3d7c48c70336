/** The keywords of JSON Schema that strict structured outputs accept, and the forms of their values. */

export const types: readonly string[] = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];
const formats: readonly string[] = [
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
];

/** Keywords that say nothing about the value. */
export const annotations: readonly string[] = ['title', 'description', '$schema', '$id', '$comment'];

/** The form of each keyword's value. */
export const keywordForms: Readonly<
  Record<string, readonly [isValid: (value: unknown) => boolean, form: string]>
> = {
  pattern: [isPattern, 'a regular expression'],
  format: [(value) => formats.includes(value as string), `one of ${formats.join(', ')}`],
  minLength: [isCount, 'a whole number from 0'],
  maxLength: [isCount, 'a whole number from 0'],
  minItems: [isCount, 'a whole number from 0'],
  maxItems: [isCount, 'a whole number from 0'],
  multipleOf: [(value) => typeof value === 'number' && value > 0, 'a number above 0'],
  minimum: [isNumber, 'a number'],
  maximum: [isNumber, 'a number'],
  exclusiveMinimum: [isNumber, 'a number'],
  exclusiveMaximum: [isNumber, 'a number'],
  enum: [(value) => Array.isArray(value) && value.length > 0, 'a list of at least one value'],
  const: [() => true, ''],
  title: [isText, 'a text'],
  description: [isText, 'a text'],
  $comment: [isText, 'a text'],
  $schema: [isText, 'a text'],
  $id: [isText, 'a text'],
};

/** Keywords that strict mode lacks, and what replaces them. */
export const replacements: Readonly<Record<string, string>> = {
  oneOf: 'use anyOf',
  allOf: 'write the merged schema',
  not: 'describe in the prompt what is not allowed',
  if: 'use anyOf',
  default: 'remove it: all properties are required',
  patternProperties: 'list the properties, or use an array of objects with a name and a value',
  prefixItems: 'use an object with one property per item',
  uniqueItems: 'remove it, and remove duplicates from the answers',
};

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}

function isPattern(value: unknown): boolean {
  try {
    return typeof value === 'string' && new RegExp(value) instanceof RegExp;
  } catch {
    return false;
  }
}
