import { annotations, keywordForms, replacements, types } from './strict-keywords.ts';
import { definitionKeys, endlessDefinition, isObject, referenceFault } from './strict-references.ts';

/**
 * What strict structured outputs accept of JSON Schema. A schema that the API refuses fails every line of a job, so it is refused here.
 * Guide: https://developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas" (Oct 2026).
 */

type Schema = Readonly<Record<string, unknown>>;

const MAX_PROPERTIES = 5_000;
const MAX_DEPTH = 10;
const MAX_ENUM_VALUES = 1_000;
/** Characters of all names of properties and definitions, enum values and const values. */
const MAX_NAME_CHARACTERS = 120_000;
/** One enum of strings with more values than this may have at most `MAX_LARGE_ENUM_CHARACTERS` characters. */
const LARGE_ENUM_VALUES = 250;
const MAX_LARGE_ENUM_CHARACTERS = 15_000;

/**
 * Returns what to change in a schema that strict structured outputs do not accept, as a sentence that begins with its place; null for
 * one that they accept.
 */
export function strictSchemaFault(schema: unknown): string | null {
  const check = new StrictCheck(schema);
  return check.root() ?? check.totals();
}

class StrictCheck {
  private readonly schema: unknown;
  private properties = 0;
  private enumValues = 0;
  private nameCharacters = 0;

  constructor(schema: unknown) {
    this.schema = schema;
  }

  root(): string | null {
    const { schema } = this;
    if (!isObject(schema))
      return 'The schema must be a JSON object: write {"type":"object","properties":{…}}.';
    if (schema['anyOf'] !== undefined)
      return 'The schema must not be an anyOf itself: put it into a property of an object.';
    if (schema['type'] !== 'object')
      return 'The schema must have the type "object": put other types into a property of an object.';
    return this.definitions(schema) ?? this.value(schema, '', 1) ?? this.references(schema);
  }

  private definitions(schema: Schema): string | null {
    for (const key of definitionKeys) {
      const definitions = schema[key];
      if (definitions === undefined) continue;
      if (!isObject(definitions)) return `The schema: "${key}" must be an object of schemas.`;
      for (const [name, definition] of Object.entries(definitions)) {
        this.nameCharacters += name.length;
        const fault = this.value(definition, `${key}.${name}`, 1);
        if (fault !== null) return fault;
      }
    }
    return null;
  }

  private references(schema: Schema): string | null {
    const endless = endlessDefinition(schema);
    return endless === null
      ? null
      : `The schema of ${endless} refers to itself without an object or array in between: put one there.`;
  }

  /** The limits over the whole schema. */
  totals(): string | null {
    const over = (what: string, is: number, most: number): string | null =>
      is <= most ? null : `The schema has ${is} ${what}, and strict mode accepts ${most}: make it smaller.`;
    return (
      over('properties', this.properties, MAX_PROPERTIES) ??
      over('enum values', this.enumValues, MAX_ENUM_VALUES) ??
      over('characters of names and enum values', this.nameCharacters, MAX_NAME_CHARACTERS)
    );
  }

  /** `depth` is the number of objects and arrays around the value, and it itself. */
  private value(schema: unknown, place: string, depth: number): string | null {
    const at = place === '' ? 'The schema' : `The schema of ${place}`;
    if (!isObject(schema)) return `${at} must be an object: strict mode needs the type of every value.`;
    if (depth > MAX_DEPTH) return `${at} is nested deeper than ${MAX_DEPTH} levels: make the answer flatter.`;
    return (
      this.keywords(schema, at, place === '') ??
      this.type(schema, at) ??
      this.choices(schema, at) ??
      this.object(schema, at, place, depth) ??
      this.array(schema, at, place, depth) ??
      this.anyOf(schema, at, place, depth)
    );
  }

  private keywords(schema: Schema, at: string, isRoot: boolean): string | null {
    const known = ['type', 'properties', 'required', 'additionalProperties', 'items', 'anyOf', '$ref'];
    for (const [keyword, value] of Object.entries(schema)) {
      if (known.includes(keyword) || (isRoot && definitionKeys.includes(keyword))) continue;
      const form = keywordForms[keyword];
      if (form === undefined) {
        const advice = replacements[keyword] ?? 'remove it';
        return `${at} has "${keyword.slice(0, 40)}", which strict mode does not accept: ${advice}.`;
      }
      if (!form[0](value)) return `${at}: "${keyword}" must be ${form[1]}.`;
    }
    return null;
  }

  private type(schema: Schema, at: string): string | null {
    const { type, $ref: reference } = schema;
    if (reference !== undefined) {
      const others = Object.keys(schema).filter((key) => key !== '$ref' && !annotations.includes(key));
      if (others.length > 0) return `${at} has "${others[0]}" beside "$ref": move it into the definition.`;
      const fault = referenceFault(this.schema as Schema, reference);
      return fault === null ? null : `${at}: ${fault}`;
    }
    if (type === undefined) {
      if (['anyOf', 'enum', 'const'].some((key) => schema[key] !== undefined)) return null;
      return `${at} has no "type": add one of ${types.join(', ')}.`;
    }
    const named = Array.isArray(type) ? (type as unknown[]) : [type];
    return named.length > 0 && named.every((name) => types.includes(name as string))
      ? null
      : `${at}: "type" must be one of ${types.join(', ')}, or a list of them.`;
  }

  private choices(schema: Schema, at: string): string | null {
    if (schema['const'] !== undefined) this.nameCharacters += charactersOf(schema['const']);
    const values = (schema['enum'] ?? []) as unknown[];
    this.enumValues += values.length;
    const characters = values.reduce<number>((sum, value) => sum + charactersOf(value), 0);
    this.nameCharacters += characters;
    return values.length > LARGE_ENUM_VALUES && characters > MAX_LARGE_ENUM_CHARACTERS
      ? `${at} has an enum of ${values.length} values with ${characters} characters, and strict mode accepts ${MAX_LARGE_ENUM_CHARACTERS}: use shorter or fewer values.`
      : null;
  }

  private object(schema: Schema, at: string, place: string, depth: number): string | null {
    if (!hasType(schema, 'object')) {
      const stray = ['properties', 'required', 'additionalProperties'].find(
        (key) => schema[key] !== undefined,
      );
      return stray === undefined
        ? null
        : `${at} has "${stray}" without the type "object": add "type": "object".`;
    }
    const { properties = {}, required = [] } = schema;
    if (!isObject(properties)) return `${at}: "properties" must be an object of schemas.`;
    if (schema['additionalProperties'] !== false)
      return `${at} allows other properties: add "additionalProperties": false.`;
    if (!Array.isArray(required)) return `${at}: "required" must be a list of names.`;
    const names = Object.keys(properties);
    const unknown = (required as unknown[]).find((name) => !names.includes(name as string));
    if (unknown !== undefined)
      return `${at} requires ${JSON.stringify(unknown)}, which is not among its properties: add it there.`;
    const optional = names.find((name) => !required.includes(name));
    if (optional !== undefined)
      return `${at} has the optional property "${optional}": add it to "required", and let its type be ["…", "null"] if it may be empty.`;
    this.properties += names.length;
    for (const [name, property] of Object.entries(properties)) {
      this.nameCharacters += name.length;
      const fault = this.value(property, join(place, name), depth + 1);
      if (fault !== null) return fault;
    }
    return null;
  }

  private array(schema: Schema, at: string, place: string, depth: number): string | null {
    if (!hasType(schema, 'array')) {
      return schema['items'] === undefined
        ? null
        : `${at} has "items" without the type "array": add "type": "array".`;
    }
    if (schema['items'] === undefined) return `${at} has no "items": add the schema of its items.`;
    return this.value(schema['items'], `${place}[]`, depth + 1);
  }

  private anyOf({ anyOf }: Schema, at: string, place: string, depth: number): string | null {
    if (anyOf === undefined) return null;
    if (!Array.isArray(anyOf) || anyOf.length === 0) return `${at}: "anyOf" must be a list of schemas.`;
    for (const [i, branch] of (anyOf as unknown[]).entries()) {
      const fault = this.value(branch, `${place === '' ? '' : `${place} `}(anyOf ${i + 1})`, depth);
      if (fault !== null) return fault;
    }
    return null;
  }
}

function charactersOf(value: unknown): number {
  return typeof value === 'string' ? value.length : JSON.stringify(value).length;
}

const join = (place: string, name: string): string => (place === '' ? name : `${place}.${name}`);

function hasType({ type }: Schema, name: string): boolean {
  return Array.isArray(type) ? type.includes(name) : type === name;
}
