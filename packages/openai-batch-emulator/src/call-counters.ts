import { CallKind } from './faults/call-fault.ts';

/** What became of the calls of one kind. */
export interface CallCount {
  count: number;
  /** Answers by HTTP status. */
  statuses: Record<string, number>;
  /** Calls whose connection was reset or whose answer was withheld. */
  unanswered: number;
}

export interface CallReport {
  calls: Record<CallKind, CallCount>;
  /** The newest `Idempotency-Key` headers. They are noted, not obeyed: the API promises nothing for them. */
  idempotency_keys: { call: CallKind; key: string }[];
}

const KEYS_KEPT = 1000;

/** Counts calls since the start or the last reset; unlike the rest of the state it does not outlive the process. */
export class CallCounters {
  #calls = zeroes();
  #keys: CallReport['idempotency_keys'] = [];

  begun(call: CallKind, idempotencyKey: string | undefined): void {
    this.#calls[call].count++;
    if (idempotencyKey === undefined) return;
    this.#keys.push({ call, key: idempotencyKey });
    if (this.#keys.length > KEYS_KEPT) this.#keys.shift();
  }

  answered(call: CallKind, status: number): void {
    const { statuses } = this.#calls[call];
    statuses[status] = (statuses[status] ?? 0) + 1;
  }

  unanswered(call: CallKind): void {
    this.#calls[call].unanswered++;
  }

  report(): CallReport {
    return { calls: this.#calls, idempotency_keys: this.#keys };
  }

  clear(): void {
    this.#calls = zeroes();
    this.#keys = [];
  }
}

function zeroes(): Record<CallKind, CallCount> {
  const kinds = Object.values(CallKind);
  return Object.fromEntries(
    kinds.map((kind) => [kind, { count: 0, statuses: {}, unanswered: 0 }]),
  ) as unknown as Record<CallKind, CallCount>;
}
