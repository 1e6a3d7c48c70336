const NONE = 0xffffffff;

/**
 * The executed lines, in columns of numbers instead of objects: about 60 bytes a line, so that a million lines fit into
 * memory. Lines are found by their 64-bit key with open addressing; the executions of a line are a linked list in
 * order of time.
 */
export class LedgerTable {
  #slots: Uint32Array = new Uint32Array(1024).fill(NONE);
  #lines = 0;
  #hi: Uint32Array = new Uint32Array(512);
  #lo: Uint32Array = new Uint32Array(512);
  #executed: Uint16Array = new Uint16Array(512);
  #paid: Uint16Array = new Uint16Array(512);
  #first: Uint32Array = new Uint32Array(512);
  #last: Uint32Array = new Uint32Array(512);
  #executions = 0;
  #batch: Uint32Array = new Uint32Array(512);
  #offset: Uint32Array = new Uint32Array(512);
  #next: Uint32Array = new Uint32Array(512);
  #wasPaid: Uint8Array = new Uint8Array(512);

  get lines(): number {
    return this.#lines;
  }

  executedOf(hi: number, lo: number): number {
    const line = this.#slots[this.#slotOf(hi, lo)] as number;
    return line === NONE ? 0 : (this.#executed[line] as number);
  }

  /** Adds an execution and returns how many times the line has been paid. */
  record(hi: number, lo: number, batch: number, offset: number, paid: boolean): number {
    const line = this.#lineOf(hi, lo);
    if (this.#executions === this.#batch.length) this.#growExecutions();
    const execution = this.#executions++;
    this.#batch[execution] = batch;
    this.#offset[execution] = offset;
    this.#next[execution] = NONE;
    this.#wasPaid[execution] = paid ? 1 : 0;
    if (this.#first[line] === NONE) this.#first[line] = execution;
    else this.#next[this.#last[line] as number] = execution;
    this.#last[line] = execution;
    this.#executed[line] = (this.#executed[line] as number) + 1;
    if (paid) this.#paid[line] = (this.#paid[line] as number) + 1;
    return this.#paid[line] as number;
  }

  executed(line: number): number {
    return this.#executed[line] as number;
  }

  paid(line: number): number {
    return this.#paid[line] as number;
  }

  *executionsOf(line: number): Generator<{ batch: number; offset: number; paid: boolean }> {
    for (let at = this.#first[line] as number; at !== NONE; at = this.#next[at] as number) {
      yield {
        batch: this.#batch[at] as number,
        offset: this.#offset[at] as number,
        paid: this.#wasPaid[at] === 1,
      };
    }
  }

  #lineOf(hi: number, lo: number): number {
    const slot = this.#slotOf(hi, lo);
    const known = this.#slots[slot] as number;
    if (known !== NONE) return known;
    if (this.#lines === this.#hi.length) this.#growLines();
    const line = this.#lines++;
    this.#hi[line] = hi;
    this.#lo[line] = lo;
    this.#first[line] = NONE;
    this.#slots[slot] = line;
    if (this.#lines * 2 > this.#slots.length) this.#growSlots();
    return line;
  }

  #slotOf(hi: number, lo: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = (Math.imul(hi, 0x9e3779b1) ^ lo) & mask; ; slot = (slot + 1) & mask) {
      const line = this.#slots[slot] as number;
      if (line === NONE || (this.#hi[line] === hi && this.#lo[line] === lo)) return slot;
    }
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2).fill(NONE);
    for (let line = 0; line < this.#lines; line++)
      this.#slots[this.#slotOf(this.#hi[line] as number, this.#lo[line] as number)] = line;
  }

  #growLines(): void {
    this.#hi = doubled(this.#hi);
    this.#lo = doubled(this.#lo);
    this.#executed = doubled(this.#executed);
    this.#paid = doubled(this.#paid);
    this.#first = doubled(this.#first);
    this.#last = doubled(this.#last);
  }

  #growExecutions(): void {
    this.#batch = doubled(this.#batch);
    this.#offset = doubled(this.#offset);
    this.#next = doubled(this.#next);
    this.#wasPaid = doubled(this.#wasPaid);
  }
}

function doubled<T extends Uint8Array | Uint16Array | Uint32Array>(column: T): T {
  const grown = new (column.constructor as new (length: number) => T)(column.length * 2);
  grown.set(column);
  return grown;
}
