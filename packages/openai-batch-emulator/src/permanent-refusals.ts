import type { ApiError } from './api-error.ts';
import { toRefusal } from './call-faults.ts';
import type { RefusedFault } from './faults/file-fault.ts';
import type { Journal } from './journal.ts';

/** What was refused for good, as it is journalled. */
export interface PermanentRefusal {
  call: 'upload' | 'create';
  /** What the content is known by. */
  content: string;
  fault: RefusedFault;
}

/** Contents refused for good: whoever brings the same bytes again is answered the same. */
export class PermanentRefusals {
  readonly #journal: Journal;
  readonly #refused = new Map<string, PermanentRefusal>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  restore(refused: PermanentRefusal): void {
    this.#refused.set(keyOf(refused.call, refused.content), refused);
  }

  /** Throws for a content that was refused before; costs nothing while there is none. */
  async assertNotRefused(call: PermanentRefusal['call'], content: () => Promise<string>): Promise<void> {
    if (this.#refused.size === 0) return;
    const known = this.#refused.get(keyOf(call, await content()));
    if (known) throw toRefusal(known.fault);
  }

  /** Notes a refusal and returns what it is answered with. */
  refuse(call: PermanentRefusal['call'], content: string, fault: RefusedFault): ApiError {
    const refused = { call, content, fault };
    this.restore(refused);
    this.#journal.append('refused', keyOf(call, content), refused);
    return toRefusal(fault);
  }

  clear(): void {
    this.#refused.clear();
  }
}

function keyOf(call: string, content: string): string {
  return `${call} ${content}`;
}
