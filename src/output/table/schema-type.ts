/** A JSON Schema, or any value where one should be. */
type Schema = Readonly<Record<string, unknown>>;

/** A type as DuckDB's `json_transform` takes it: `"BIGINT"`, `["VARCHAR"]` or `{"label":"VARCHAR"}`. */
export type Structure = string | readonly [Structure] | { readonly [name: string]: Structure };

/** The type of values whose form the schema does not say: their JSON as text. */
const JSON_TEXT = 'JSON';

const plainTypes: ReadonlyMap<unknown, string> = new Map([
  ['string', 'VARCHAR'],
  ['number', 'DOUBLE'],
  ['integer', 'BIGINT'],
  ['boolean', 'BOOLEAN'],
]);

/** The schema's properties; null if it is not one of objects with known properties. */
export function propertiesOf(schema: Schema): readonly (readonly [name: string, type: Structure])[] | null {
  const object = resolved(schema, schema, []);
  const properties = object?.schema['properties'];
  if (object === null || !isSchema(properties)) return null;
  return Object.entries(properties).map(([name, property]) => [name, typeOf(property, schema, object.seen)]);
}

/** The type of the values of a schema. `seen` are the references around it: a schema that contains itself has no type. */
function typeOf(value: unknown, root: Schema, seen: readonly string[]): Structure {
  const found = resolved(value, root, seen);
  if (found === null) return JSON_TEXT;
  const { schema } = found;
  const { type, items, properties } = schema;
  const plain = plainTypes.get(type) ?? typeOfValues(schema);
  if (plain !== null) return plain;
  if (type === 'array' && items !== undefined) return [typeOf(items, root, found.seen)];
  if (type !== 'object' || !isSchema(properties)) return JSON_TEXT;
  const names = Object.keys(properties);
  // In DuckDB, names that differ only in case are the same, and an empty one is none.
  const distinct = new Set(names.map((name) => name.toLowerCase()));
  if (names.length === 0 || distinct.size < names.length || distinct.has('')) return JSON_TEXT;
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, typeOf(property, root, found.seen)]),
  );
}

/** The type of the values that an `enum` or `const` lists, without null; null if they have several, or if there is neither. */
function typeOfValues({ enum: values, const: value }: Schema): string | null {
  const listed = Array.isArray(values) ? (values as unknown[]) : value === undefined ? [] : [value];
  const types = new Set(listed.filter((one) => one !== null).map(plainTypeOf));
  return types.size === 1 ? ([...types][0] ?? null) : null;
}

function plainTypeOf(value: unknown): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'BIGINT' : 'DOUBLE';
  return plainTypes.get(typeof value) ?? null;
}

/** A schema behind its references, and without the choice of null; null where it leaves several types open. */
function resolved(
  value: unknown,
  root: Schema,
  seen: readonly string[],
): { readonly schema: Schema; readonly seen: readonly string[] } | null {
  if (!isSchema(value)) return null;
  const { $ref: reference, anyOf, type } = value;
  if (typeof reference === 'string') {
    if (seen.includes(reference)) return null;
    return resolved(definitionOf(reference, root), root, [...seen, reference]);
  }
  if (Array.isArray(anyOf)) {
    const choices = (anyOf as unknown[]).filter((choice) => !isSchema(choice) || choice['type'] !== 'null');
    return choices.length === 1 ? resolved(choices[0], root, seen) : null;
  }
  if (!Array.isArray(type)) return { schema: value, seen };
  const named = (type as unknown[]).filter((name) => name !== 'null');
  return named.length === 1 ? { schema: { ...value, type: named[0] }, seen } : null;
}

function definitionOf(reference: string, root: Schema): unknown {
  if (reference === '#') return root;
  let found: unknown = root;
  for (const key of reference.split('/').slice(1))
    found = isSchema(found) ? found[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  return found;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
