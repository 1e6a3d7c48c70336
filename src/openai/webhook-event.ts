import type OpenAI from 'openai';
import { InvalidWebhookSignatureError } from 'openai';

/** A webhook event with a valid signature. */
export interface WebhookEvent {
  /** The header `webhook-id`, the same for repeated deliveries. */
  readonly deliveryId: string;
  readonly type: string;
  /** The batch that has ended; null for events of other types. */
  readonly batchId: string | null;
}

/** Why a request is not a valid event. */
export interface RefusedEvent {
  readonly refused: 'bad_signature' | 'bad_time' | 'malformed' | 'bad_request';
  readonly status: 400 | 401;
  /** For the response; contains nothing of the body. */
  readonly reason: string;
}

const HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;

/**
 * Verifies and reads an event. The signature covers the bytes of the body, which must be unchanged. A signature whose timestamp
 * is more than five minutes off is refused, so that a recorded request cannot be replayed later.
 */
export async function readWebhookEvent(
  api: OpenAI,
  secret: string,
  body: string,
  header: (name: string) => string | undefined,
): Promise<WebhookEvent | RefusedEvent> {
  const headers: Record<string, string> = {};
  for (const name of HEADERS) {
    const value = header(name);
    if (value === undefined || value === '')
      return { refused: 'bad_request', status: 400, reason: `the header ${name} is missing` };
    headers[name] = value;
  }
  let event: unknown;
  try {
    event = await api.webhooks.unwrap(body, headers, secret);
  } catch (error) {
    return refusedFor(error);
  }
  const { type, data } = (event ?? {}) as { type?: unknown; data?: { id?: unknown } | null };
  const deliveryId = headers['webhook-id']!;
  if (typeof type !== 'string') return { ...malformed, reason: 'the event has no type' };
  if (!/^batch\.(completed|failed|expired|cancelled)$/.test(type))
    return { deliveryId, type: type.slice(0, 100), batchId: null };
  const id = data?.id;
  // The id becomes part of a URL and of a log line.
  if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{1,128}$/.test(id))
    return { ...malformed, reason: 'the event has no batch id' };
  return { deliveryId, type, batchId: id };
}

const malformed = { refused: 'malformed', status: 400 } as const;

function refusedFor(error: unknown): RefusedEvent {
  if (error instanceof SyntaxError) return { ...malformed, reason: 'the body is not JSON' };
  if (!(error instanceof InvalidWebhookSignatureError)) throw error;
  return /timestamp/i.test(error.message)
    ? { refused: 'bad_time', status: 401, reason: 'the timestamp is more than 5 minutes off' }
    : { refused: 'bad_signature', status: 401, reason: 'the signature does not match' };
}
