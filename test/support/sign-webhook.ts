import { createHmac } from 'node:crypto';

/** A delivery of an event as in Standard Webhooks, independent of the emulator's code. */
export interface SignedCall {
  readonly body: string;
  readonly headers: Record<string, string>;
}

/** Signs an event of an ended batch. */
export function signEvent(
  secret: string,
  batchId: string,
  options: { readonly id?: string; readonly at?: number; readonly type?: string } = {},
): SignedCall {
  const { id = `wh_${batchId}`, at = Date.now() / 1_000, type = 'batch.completed' } = options;
  const body = JSON.stringify({ id: 'evt_1', object: 'event', created_at: 1, type, data: { id: batchId } });
  const time = String(Math.floor(at));
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': time,
      'webhook-signature': `v1,${signature}`,
    },
  };
}
