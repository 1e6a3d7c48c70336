import type { ApiError } from './api-error.ts';
import { refusalOf } from './call-faults.ts';
import type { RefusedFault } from './fault-rule.ts';
import type { Journal } from './journal.ts';

/** What was refused for good, as it is journalled. */
export interface Refused {
  call: 'upload' | 'create';
  /** What the content is known by. */
  content: string;
  fault: RefusedFault;
}

/** Contents refused for good: whoever brings the same bytes again is answered the same. */
export class RefusedContent {
  readonly #journal: Journal;
  readonly #refused = new Map<string, Refused>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  restore(refused: Refused): void {
    this.#refused.set(keyOf(refused.call, refused.content), refused);
  }

  /** Throws for a content that was refused before; costs nothing while there is none. */
  async assertNot(call: Refused['call'], content: () => Promise<string>): Promise<void> {
    if (this.#refused.size === 0) return;
    const known = this.#refused.get(keyOf(call, await content()));
    if (known) throw refusalOf(known.fault);
  }

  /** Notes a refusal and returns what it is answered with. */
  refuse(call: Refused['call'], content: string, fault: RefusedFault): ApiError {
    const refused = { call, content, fault };
    this.restore(refused);
    this.#journal.append('refused', keyOf(call, content), refused);
    return refusalOf(fault);
  }

  clear(): void {
    this.#refused.clear();
  }
}

function keyOf(call: string, content: string): string {
  return `${call} ${content}`;
}
