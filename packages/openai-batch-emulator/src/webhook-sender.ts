import { createHmac } from 'node:crypto';
import { batchFault, BatchStatus } from './batch-record.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Journal } from './journal.ts';
import { newDeliveryId, newEventId } from './object-ids.ts';
import type { ResolvedEmulatorOptions } from './options.ts';

/** The delivery of one event, as in the journal and in `GET /emulator/webhooks`. */
export interface WebhookDelivery {
  /** The `webhook-id`, which is the same in all attempts. */
  id: string;
  batchId: string;
  type: string;
  /** The body; each attempt signs it again with its time. */
  payload: string;
  /** The time of the next attempt by this machine's clock, because receivers compare the time in the signature with theirs. */
  dueAtMs: number;
  /** The time after which no attempt is made. */
  untilMs: number;
  /** How many times the first attempt is sent. */
  copies: number;
  attempts: number;
  lastStatus: number | null;
  state: 'waiting' | 'delivered' | 'given_up' | 'lost';
}

/**
 * Delays between attempts, before `speed` divides them. OpenAI documents "exponential backoff" and "up to 72 hours"; the
 * numbers are a guess.
 */
const RETRY_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000] as const;
const GIVE_UP_MS = 72 * 3_600_000;
/** The time a receiver has to respond. */
const RESPONSE_TIMEOUT_MS = 10_000;

/** Node cuts longer timeouts to 1 ms. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

const endedStatuses: readonly BatchStatus[] = [
  BatchStatus.completed,
  BatchStatus.failed,
  BatchStatus.expired,
  BatchStatus.cancelled,
];

/** Sends the events of ended batches to the webhook URL until they are received, signed as Standard Webhooks specifies. */
export class WebhookSender {
  readonly #options: ResolvedEmulatorOptions;
  readonly #journal: Journal;
  readonly #deliveries = new Map<string, WebhookDelivery>();
  /** The ids of the batches that have an event. */
  readonly #announced = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #sending = new Set<Promise<void>>();
  #stopping = new AbortController();

  constructor(options: ResolvedEmulatorOptions, journal: Journal) {
    this.#options = options;
    this.#journal = journal;
  }

  restore(delivery: WebhookDelivery): void {
    this.#keep(delivery);
  }

  /** Continues all deliveries, and creates the events of batches that ended just before a kill. */
  resume(ended: Iterable<BatchRecord>): void {
    for (const delivery of this.#deliveries.values()) this.#schedule(delivery);
    for (const record of ended) this.announce(record);
  }

  /** Creates and sends the event of a batch that has ended, once for each batch. */
  announce(record: BatchRecord): void {
    if (this.#options.webhookUrl === undefined || !endedStatuses.includes(record.status)) return;
    if (this.#announced.has(record.id)) return;
    const fault = batchFault(record, 'webhook');
    const now = Date.now();
    const type = `batch.${record.status}`;
    const payload = JSON.stringify({
      id: newEventId(),
      object: 'event',
      created_at: Math.floor((record.enteredAtMs[record.status] ?? now) / 1000),
      type,
      data: { id: record.id },
    });
    const delivery: WebhookDelivery = {
      id: newDeliveryId(),
      batchId: record.id,
      type,
      payload,
      dueAtMs: now + (fault?.afterSeconds ?? 0) * 1000,
      untilMs: now + GIVE_UP_MS / this.#options.speed,
      copies: fault?.copies ?? 1,
      attempts: 0,
      lastStatus: null,
      state: fault?.lost === true ? 'lost' : 'waiting',
    };
    this.#save(delivery);
    this.#schedule(delivery);
  }

  list(): WebhookDelivery[] {
    return [...this.#deliveries.values()];
  }

  /** Stops all deliveries. With a `dataDir`, the next start continues them. */
  async close(): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#sending);
  }

  async clear(): Promise<void> {
    await this.close();
    this.#stopping = new AbortController();
    this.#deliveries.clear();
    this.#announced.clear();
  }

  #keep(delivery: WebhookDelivery): void {
    this.#deliveries.set(delivery.id, delivery);
    this.#announced.add(delivery.batchId);
  }

  #schedule(delivery: WebhookDelivery): void {
    if (delivery.state !== 'waiting' || this.#stopping.signal.aborted) return;
    const wait = Math.min(LONGEST_TIMEOUT_MS, Math.max(0, delivery.dueAtMs - Date.now()));
    const timer = setTimeout(() => {
      this.#timers.delete(delivery.id);
      this.#track(this.#attempt(delivery));
    }, wait);
    this.#timers.set(delivery.id, timer);
  }

  async #attempt(delivery: WebhookDelivery): Promise<void> {
    if (delivery.attempts === 0)
      for (let copy = 1; copy < delivery.copies; copy += 1) this.#track(this.#send(delivery));
    const status = await this.#send(delivery);
    if (this.#stopping.signal.aborted) return;
    delivery.attempts += 1;
    delivery.lastStatus = status;
    const wait = RETRY_MS[Math.min(delivery.attempts, RETRY_MS.length) - 1]! / this.#options.speed;
    delivery.dueAtMs = Date.now() + wait;
    if (status !== null && status >= 200 && status < 300) delivery.state = 'delivered';
    else if (delivery.dueAtMs > delivery.untilMs) delivery.state = 'given_up';
    this.#save(delivery);
    this.#schedule(delivery);
  }

  /** Returns the status of the receiver's response, or null without a response. */
  async #send({ id, payload }: WebhookDelivery): Promise<number | null> {
    const { webhookUrl = '', webhookSecret = '' } = this.#options;
    const timestamp = Math.floor(Date.now() / 1000);
    try {
      const response = await fetch(webhookUrl, {
        method: 'POST',
        body: payload,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'OpenAI/1.0 (emulator)',
          'webhook-id': id,
          'webhook-timestamp': String(timestamp),
          'webhook-signature': `v1,${sign(webhookSecret, `${id}.${timestamp}.${payload}`)}`,
        },
        redirect: 'manual',
        signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(RESPONSE_TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.status;
    } catch {
      return null;
    }
  }

  #track(sending: Promise<unknown>): void {
    const tracked = sending.then(() => undefined).finally(() => this.#sending.delete(tracked));
    this.#sending.add(tracked);
  }

  #save(delivery: WebhookDelivery): void {
    this.#keep(delivery);
    this.#journal.append('webhook', delivery.id, delivery);
  }
}

/** The signature of Standard Webhooks: HMAC-SHA256 of `id.timestamp.payload` with the bytes after `whsec_`. */
function sign(secret: string, text: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
  return createHmac('sha256', key).update(text).digest('base64');
}
