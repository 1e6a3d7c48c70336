import { seededFraction } from './seeded-random.ts';
import { isObject } from './request-text.ts';

/**
 * Returns a value that satisfies a JSON schema, always the same for the same schema and text. If an enum (or an `anyOf` of
 * consts) contains `label`, it is chosen, so that a classification request with a schema gets its label.
 */
export function schemaValue(schema: unknown, text: string, label: string | undefined): unknown {
  return new SchemaWriter(schema, text, label).value(schema, '$', 0);
}

/** From this depth on, optional members are left out, which ends recursive schemas. */
const DEPTH_OF_OPTIONALS = 4;
const DEPTH_OF_ALL = 24;

class SchemaWriter {
  readonly #root: unknown;
  readonly #text: string;
  readonly #label: string | undefined;

  constructor(root: unknown, text: string, label: string | undefined) {
    this.#root = root;
    this.#text = text;
    this.#label = label;
  }

  value(given: unknown, path: string, depth: number): unknown {
    if (depth > DEPTH_OF_ALL || !isObject(given)) return null;
    const schema = this.#merged(given);
    if ('const' in schema) return schema['const'];
    if (Array.isArray(schema['enum'])) return this.#pick(schema['enum'], path);
    const choices = schema['anyOf'] ?? schema['oneOf'];
    if (Array.isArray(choices) && choices.length > 0) return this.#choice(schema, choices, path, depth);
    switch (typeOf(schema)) {
      case 'object':
        return this.#object(schema, path, depth);
      case 'array':
        return this.#array(schema, path, depth);
      case 'string':
        return this.#string(schema, path);
      case 'integer':
        return this.#number(schema, path, true);
      case 'number':
        return this.#number(schema, path, false);
      case 'boolean':
        return this.#draw(path) < 0.5;
      case 'null':
        return null;
      default:
        return this.#text.slice(0, 200);
    }
  }

  /** The schema with its `$ref` resolved and its `allOf` merged. */
  #merged(schema: Record<string, unknown>): Record<string, unknown> {
    let merged = schema;
    for (let hops = 0; typeof merged['$ref'] === 'string' && hops < 16; hops++) {
      const { $ref, ...rest } = merged;
      const target = this.#resolve($ref);
      merged = isObject(target) ? { ...target, ...rest } : rest;
    }
    if (!Array.isArray(merged['allOf'])) return merged;
    const { allOf, ...rest } = merged;
    return (allOf as unknown[]).reduce<Record<string, unknown>>(
      (sum, part) => (isObject(part) ? overlay(sum, this.#merged(part)) : sum),
      rest,
    );
  }

  #resolve(ref: string): unknown {
    if (!ref.startsWith('#')) return undefined;
    let target = this.#root;
    for (const step of ref.slice(1).split('/').slice(1)) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      if (Array.isArray(target)) target = target[Number(key)];
      else if (isObject(target)) target = target[key];
      else return undefined;
    }
    return target;
  }

  #choice(schema: Record<string, unknown>, choices: unknown[], path: string, depth: number): unknown {
    const { anyOf: _anyOf, oneOf: _oneOf, ...rest } = schema;
    const whole = choices.map((choice) => (isObject(choice) ? overlay(rest, choice) : choice));
    const labelled = whole.find((choice) => this.#offersLabel(choice));
    if (labelled !== undefined) return this.value(labelled, path, depth + 1);
    const filled = whole.find((choice) => isObject(choice) && typeOf(this.#merged(choice)) !== 'null');
    const pickNull = depth > DEPTH_OF_OPTIONALS && filled !== undefined && whole.length > 1;
    const chosen = pickNull ? (whole.find((choice) => choice !== filled) ?? filled) : filled;
    return this.value(chosen ?? whole[0], path, depth + 1);
  }

  #offersLabel(choice: unknown): boolean {
    if (this.#label === undefined || !isObject(choice)) return false;
    const merged = this.#merged(choice);
    const offered = Array.isArray(merged['enum']) ? merged['enum'] : [merged['const']];
    return offered.some((value) => sameLabel(value, this.#label));
  }

  #pick(values: readonly unknown[], path: string): unknown {
    const labelled = values.find((value) => sameLabel(value, this.#label));
    return labelled ?? values[Math.floor(this.#draw(path) * values.length)] ?? null;
  }

  #object(schema: Record<string, unknown>, path: string, depth: number): Record<string, unknown> {
    const properties = isObject(schema['properties']) ? schema['properties'] : {};
    const required = Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : [];
    const value: Record<string, unknown> = {};
    for (const [name, property] of Object.entries(properties)) {
      if (depth < DEPTH_OF_OPTIONALS || required.includes(name))
        value[name] = this.value(property, `${path}.${name}`, depth + 1);
    }
    for (const name of required) {
      if (typeof name === 'string' && !(name in value))
        value[name] = this.value(schema['additionalProperties'], `${path}.${name}`, depth + 1);
    }
    return value;
  }

  #array(schema: Record<string, unknown>, path: string, depth: number): unknown[] {
    const fixed = Array.isArray(schema['prefixItems']) ? (schema['prefixItems'] as unknown[]) : [];
    const least = numberIn(schema, 'minItems') ?? (fixed.length > 0 || depth >= DEPTH_OF_OPTIONALS ? 0 : 1);
    const most = numberIn(schema, 'maxItems') ?? Math.max(least, fixed.length);
    const count = Math.min(Math.max(least, fixed.length), most);
    return Array.from({ length: count }, (_, i) =>
      this.value(fixed[i] ?? schema['items'], `${path}[${i}]`, depth + 1),
    );
  }

  #string(schema: Record<string, unknown>, path: string): string {
    const format = schema['format'];
    if (typeof format === 'string') {
      const sample = this.#sampleOfFormat(format, path);
      if (sample !== undefined) return sample;
    }
    const most = numberIn(schema, 'maxLength') ?? 200;
    const least = numberIn(schema, 'minLength') ?? 0;
    let text = Array.from(this.#text || 'text')
      .slice(0, most)
      .join('');
    while (text.length < least) text += text === '' ? 'x' : text.slice(0, least - text.length);
    return text;
  }

  #sampleOfFormat(format: string, path: string): string | undefined {
    const day = String(1 + Math.floor(this.#draw(path) * 28)).padStart(2, '0');
    switch (format) {
      case 'date':
        return `2026-01-${day}`;
      case 'time':
        return `12:00:${day}Z`;
      case 'date-time':
        return `2026-01-${day}T12:00:00Z`;
      case 'duration':
        return 'PT1H';
      case 'email':
        return `person${day}@example.com`;
      case 'hostname':
        return `host${day}.example.com`;
      case 'ipv4':
        return `192.0.2.${Number(day)}`;
      case 'ipv6':
        return `2001:db8::${Number(day)}`;
      case 'uuid':
        return `00000000-0000-4000-8000-0000000000${day}`;
      case 'uri':
      case 'url':
        return `https://example.com/${day}`;
      default:
        return undefined;
    }
  }

  #number(schema: Record<string, unknown>, path: string, whole: boolean): number {
    const above = numberIn(schema, 'exclusiveMinimum');
    const below = numberIn(schema, 'exclusiveMaximum');
    if (!whole && above !== undefined && below !== undefined) return (above + below) / 2;
    const unit = whole ? 1 : 0.01;
    const low = numberIn(schema, 'minimum') ?? (above === undefined ? undefined : above + unit);
    const high = numberIn(schema, 'maximum') ?? (below === undefined ? undefined : below - unit);
    const from = low ?? (high === undefined ? 0 : high - 1);
    const to = high ?? from + (whole ? 10 : 1);
    const step = numberIn(schema, 'multipleOf');
    if (step !== undefined) return Math.ceil(from / step) * step;
    const drawn = from + this.#draw(path) * (to - from);
    if (whole) return Math.min(Math.max(Math.round(drawn), Math.ceil(from)), Math.floor(to));
    return Math.min(Math.max(Math.round(drawn * 100) / 100, from), to);
  }

  #draw(path: string): number {
    return seededFraction(0, `${path} ${this.#text}`);
  }
}

function typeOf(schema: Record<string, unknown>): string {
  const type = schema['type'];
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) return type.find((name): name is string => name !== 'null') ?? 'null';
  if (isObject(schema['properties'])) return 'object';
  return schema['items'] === undefined ? 'any' : 'array';
}

function overlay(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...under, ...over };
  if (isObject(under['properties']) && isObject(over['properties']))
    merged['properties'] = { ...under['properties'], ...over['properties'] };
  if (Array.isArray(under['required']) && Array.isArray(over['required']))
    merged['required'] = [...(under['required'] as unknown[]), ...(over['required'] as unknown[])];
  return merged;
}

function sameLabel(value: unknown, label: string | undefined): boolean {
  return label !== undefined && typeof value === 'string' && value.toLowerCase() === label;
}

function numberIn(schema: Record<string, unknown>, name: string): number | undefined {
  return typeof schema[name] === 'number' ? schema[name] : undefined;
}
