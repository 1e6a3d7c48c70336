import type { JsonObject } from './answer.ts';
import { isObject } from './request-text.ts';
import type { RequestText } from './request-text.ts';
import { schemaValue } from './schema-value.ts';
import { sentimentOf } from './sentiment.ts';

/**
 * What the stand-in model says: a sentiment label when the request asks for one, otherwise an echo of the user; as a
 * JSON value when the request carries a schema.
 */
export function standInText(body: JsonObject, text: RequestText, format: unknown): string {
  const label = asksForSentiment(body, text) ? sentimentOf(text.lastUser) : undefined;
  const form = isObject(format) ? format['type'] : undefined;
  if (form === 'json_schema') return JSON.stringify(schemaValue(schemaIn(format), text.lastUser, label));
  if (form === 'json_object')
    return JSON.stringify(label === undefined ? { text: text.lastUser } : { sentiment: label });
  return label ?? text.lastUser;
}

/** By the request's own word in its metadata, or because its instructions speak of sentiment. */
function asksForSentiment(body: JsonObject, text: RequestText): boolean {
  const metadata = body['metadata'];
  if (isObject(metadata) && metadata['emulator_answer'] === 'sentiment') return true;
  return /sentiment/i.test(text.instructions);
}

/** Chat nests the schema under `json_schema`, /v1/responses does not. */
function schemaIn(format: unknown): unknown {
  if (!isObject(format)) return undefined;
  const nested = format['json_schema'];
  return isObject(nested) ? nested['schema'] : format['schema'];
}
