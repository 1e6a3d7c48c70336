import { Endpoint } from '../../core/limits.ts';
import { propertiesOf, type Structure } from './schema-type.ts';

/** The columns of every table after those of the answer. */
export const ownColumns: readonly string[] = ['status', 'error', 'input_tokens', 'output_tokens'];

/** A property of structured answers and its column. */
interface PropertyColumn {
  readonly property: string;
  /** The property's name; with `answer_` before it if a table has a column of its own with this name. */
  readonly name: string;
  readonly type: Structure;
}

/** How answers become columns: one for each property, or one for the text, the vector, the files of images or the JSON of the answer. */
export type AnswerColumns =
  | { readonly kind: 'properties'; readonly columns: readonly PropertyColumn[] }
  | { readonly kind: 'text' | 'json'; readonly columns: readonly [{ readonly name: 'answer' }] }
  | { readonly kind: 'vector'; readonly columns: readonly [{ readonly name: 'embedding' }] }
  | { readonly kind: 'images'; readonly columns: readonly [{ readonly name: 'images' }] };

/** The columns of the answers of these endpoints, with the JSON Schema of the answers if they have one. */
export function answerColumns(
  endpoints: readonly string[],
  schema: Readonly<Record<string, unknown>> | null,
): AnswerColumns {
  if (schema !== null) return propertyColumns(schema);
  if (endpoints.length > 0 && endpoints.every((endpoint) => endpoint === Endpoint.Embeddings))
    return { kind: 'vector', columns: [{ name: 'embedding' }] };
  if (endpoints.length > 0 && endpoints.every((endpoint) => imageEndpoints.has(endpoint)))
    return { kind: 'images', columns: [{ name: 'images' }] };
  const hasText = endpoints.length === 0 || endpoints.some((endpoint) => textEndpoints.has(endpoint));
  return { kind: hasText ? 'text' : 'json', columns: [{ name: 'answer' }] };
}

/** Endpoints whose answers are images. */
export const imageEndpoints: ReadonlySet<string> = new Set([Endpoint.ImageGenerations, Endpoint.ImageEdits]);

const textEndpoints: ReadonlySet<string> = new Set([
  Endpoint.ChatCompletions,
  Endpoint.Responses,
  Endpoint.Completions,
]);

function propertyColumns(schema: Readonly<Record<string, unknown>>): AnswerColumns {
  const properties = propertiesOf(schema) ?? [];
  const columns = properties.map(([property, type]) => ({
    property,
    name: ownColumns.includes(property.toLowerCase()) ? `answer_${property}` : property,
    type,
  }));
  // DuckDB does not distinguish upper and lower case.
  const distinct = new Set(columns.map(({ name }) => name.toLowerCase()));
  const areNames = columns.length > 0 && distinct.size === columns.length && !distinct.has('');
  return areNames ? { kind: 'properties', columns } : { kind: 'json', columns: [{ name: 'answer' }] };
}
