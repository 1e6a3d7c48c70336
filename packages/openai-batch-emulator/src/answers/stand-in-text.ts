import type { JsonObject } from './answer.ts';
import { isObject } from './request-text.ts';
import type { RequestText } from './request-text.ts';
import { schemaValue } from './schema-value.ts';
import { sentimentOf } from './sentiment.ts';

/**
 * The answer of the stand-in model: a sentiment label if the request asks for one, otherwise the last user message; a
 * JSON value if the request has a schema.
 */
export function standInText(body: JsonObject, text: RequestText, format: unknown): string {
  const label = asksForSentiment(body, text) ? sentimentOf(text.lastUser) : undefined;
  const form = isObject(format) ? format['type'] : undefined;
  if (form === 'json_schema') return JSON.stringify(schemaValue(schemaIn(format), text.lastUser, label));
  if (form === 'json_object')
    return JSON.stringify(label === undefined ? { text: text.lastUser } : { sentiment: label });
  return label ?? text.lastUser;
}

/** Whether the metadata asks for a sentiment, or the instructions contain "sentiment". */
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
