import type OpenAI from 'openai';
import { InvalidWebhookSignatureError } from 'openai';

/** An event that OpenAI has signed, as far as it matters here. */
export interface WebhookEvent {
  /** The delivery's `webhook-id`, the same whenever it is repeated. */
  readonly deliveryId: string;
  readonly type: string;
  /** The batch that has ended; null for events of other kinds. */
  readonly batchId: string | null;
}

/** Why a call is no event of OpenAI's. */
export interface RefusedCall {
  readonly refused: 'bad_signature' | 'bad_time' | 'malformed' | 'bad_request';
  readonly status: 400 | 401;
  /** For whoever called; says nothing of the body. */
  readonly reason: string;
}

const HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;

/**
 * Verifies and reads an event. The signature covers the bytes of the body: it must come as it was sent. Signatures older
 * or newer than five minutes are refused, so that a call that somebody has recorded is of no use later.
 */
export async function readWebhookEvent(
  api: OpenAI,
  secret: string,
  body: string,
  header: (name: string) => string | undefined,
): Promise<WebhookEvent | RefusedCall> {
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
  // Becomes a part of a URL and of a log line.
  if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{1,128}$/.test(id))
    return { ...malformed, reason: 'the event names no batch' };
  return { deliveryId, type, batchId: id };
}

const malformed = { refused: 'malformed', status: 400 } as const;

function refusedFor(error: unknown): RefusedCall {
  if (error instanceof SyntaxError) return { ...malformed, reason: 'the body is not JSON' };
  if (!(error instanceof InvalidWebhookSignatureError)) throw error;
  return /timestamp/i.test(error.message)
    ? { refused: 'bad_time', status: 401, reason: 'the timestamp is more than 5 minutes off' }
    : { refused: 'bad_signature', status: 401, reason: 'the signature does not match' };
}
