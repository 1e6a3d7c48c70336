/** References to the definitions of an answer's schema, as the API and the validator of answers both find them. */

type Schema = Readonly<Record<string, unknown>>;

/** Where a schema keeps its definitions; drafts of JSON Schema differ. */
export const definitionKeys: readonly string[] = ['$defs', 'definitions'];

/** In a URI, `#` and `%` are no characters of a name, in a JSON Pointer `~` is none, and half of an emoji is none anywhere. */
const ambiguous = /[#%~]|\p{Cs}/u;

/** Returns what is wrong with the `$ref` of a schema, as the end of a sentence; null if it can be found. */
export function referenceFault(root: Schema, reference: unknown): string | null {
  if (reference === '#') return null;
  if (definitionOf(root, reference) === null)
    return '"$ref" must be "#" or name a definition of this schema, as "#/$defs/NAME".';
  const name = (reference as string).split('/')[2]!;
  return ambiguous.test(name)
    ? `"$ref" names the definition ${JSON.stringify(name.slice(0, 40))}: rename it, without # % ~.`
    : null;
}

/** A definition that is itself, as the target of its `$ref` or in an `anyOf`: no value can be checked against it. Null if there is none. */
export function endlessDefinition(root: Schema): string | null {
  const above = new Set<unknown>();
  const done = new Set<unknown>();
  const isEndless = (schema: unknown): boolean => {
    if (above.has(schema)) return true;
    if (!isObject(schema) || done.has(schema)) return false;
    above.add(schema);
    const { $ref: reference, anyOf = [] } = schema;
    const found = [definitionOf(root, reference), ...(anyOf as unknown[])].some(isEndless);
    above.delete(schema);
    done.add(schema);
    return found;
  };
  for (const key of definitionKeys) {
    const definitions = Object.entries((root[key] ?? {}) as Schema);
    const [name] = definitions.find(([, definition]) => isEndless(definition)) ?? [];
    if (name !== undefined) return `${key}.${name}`;
  }
  return null;
}

function definitionOf(root: Schema, reference: unknown): unknown {
  const [, key, name] = (typeof reference === 'string' && /^#\/([^/]+)\/([^/]+)$/.exec(reference)) || [];
  if (key === undefined || name === undefined || !definitionKeys.includes(key)) return null;
  const definitions = root[key];
  return isObject(definitions) && Object.hasOwn(definitions, name) ? definitions[name] : null;
}

/** True for what can be a schema. */
export function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
