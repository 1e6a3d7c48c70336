import type { ApiError } from './api-error.ts';
import { toRefusal } from './call-faults.ts';
import type { RefusedFault } from './faults/file-fault.ts';
import type { Journal } from './journal.ts';

/** A permanent refusal of a content, as in the journal. */
export interface PermanentRefusal {
  call: 'upload' | 'create';
  /** The key of the content. */
  content: string;
  fault: RefusedFault;
}

/** Refused contents: later calls with the same bytes get the same error. */
export class PermanentRefusals {
  readonly #journal: Journal;
  readonly #refusals = new Map<string, PermanentRefusal>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  restore(refusal: PermanentRefusal): void {
    this.#refusals.set(keyOf(refusal.call, refusal.content), refusal);
  }

  /** Throws the error of an earlier refusal of this content. The key is computed only if there are refusals. */
  async assertNotRefused(call: PermanentRefusal['call'], content: () => Promise<string>): Promise<void> {
    if (this.#refusals.size === 0) return;
    const known = this.#refusals.get(keyOf(call, await content()));
    if (known) throw toRefusal(known.fault);
  }

  /** Records a refusal and returns its error. */
  refuse(call: PermanentRefusal['call'], content: string, fault: RefusedFault): ApiError {
    const refusal = { call, content, fault };
    this.restore(refusal);
    this.#journal.append('refused', keyOf(call, content), refusal);
    return toRefusal(fault);
  }

  clear(): void {
    this.#refusals.clear();
  }
}

function keyOf(call: string, content: string): string {
  return `${call} ${content}`;
}
