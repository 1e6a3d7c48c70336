import { CallKind } from './faults/call-fault.ts';

/** The calls of one kind. */
export interface CallCount {
  count: number;
  /** Responses by HTTP status. */
  statuses: Record<string, number>;
  /** Calls without a complete response: the connection was reset, or a fault withheld it. */
  unanswered: number;
}

export interface CallReport {
  calls: Record<CallKind, CallCount>;
  /** The newest `Idempotency-Key` headers. They are recorded but have no effect, as the API documents none. */
  idempotency_keys: { call: CallKind; key: string }[];
}

const KEYS_KEPT = 1000;

/** Counts calls since the start or the last reset. Unlike the rest of the state, the counts are lost at a restart. */
export class CallCounters {
  #calls = noCalls();
  #keys: CallReport['idempotency_keys'] = [];

  countCall(call: CallKind, idempotencyKey: string | undefined): void {
    this.#calls[call].count++;
    if (idempotencyKey === undefined) return;
    this.#keys.push({ call, key: idempotencyKey });
    if (this.#keys.length > KEYS_KEPT) this.#keys.shift();
  }

  countResponse(call: CallKind, status: number): void {
    const { statuses } = this.#calls[call];
    statuses[status] = (statuses[status] ?? 0) + 1;
  }

  countUnanswered(call: CallKind): void {
    this.#calls[call].unanswered++;
  }

  report(): CallReport {
    return { calls: this.#calls, idempotency_keys: this.#keys };
  }

  clear(): void {
    this.#calls = noCalls();
    this.#keys = [];
  }
}

function noCalls(): Record<CallKind, CallCount> {
  const kinds = Object.values(CallKind);
  return Object.fromEntries(
    kinds.map((kind) => [kind, { count: 0, statuses: {}, unanswered: 0 }]),
  ) as unknown as Record<CallKind, CallCount>;
}
