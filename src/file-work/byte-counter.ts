/** Three whole numbers: bytes done, bytes in all, and how often reads have begun and ended. */
const SIZE_BYTES = 24;

/** How many bytes a thread has worked through, and whether it waits for a read, for the one that waits for it: both look at the same memory. */
export class ByteCounter {
  /** What is sent to the thread. */
  readonly shared: SharedArrayBuffer;
  private readonly numbers: BigInt64Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(SIZE_BYTES)) {
    this.shared = shared;
    this.numbers = new BigInt64Array(shared);
  }

  get done(): number {
    return Number(Atomics.load(this.numbers, 0));
  }

  get of(): number {
    return Number(Atomics.load(this.numbers, 1));
  }

  add(bytes: number): void {
    Atomics.add(this.numbers, 0, BigInt(bytes));
  }

  expect(bytes: number): void {
    Atomics.store(this.numbers, 1, BigInt(bytes));
  }

  /** The read that the thread waits for, a number of its own; null while it does not wait. */
  get waitsFor(): bigint | null {
    const turns = Atomics.load(this.numbers, 2);
    return turns % 2n === 1n ? turns : null;
  }

  /** Makes a call that reads. */
  readonly around = (read: () => number): number => {
    Atomics.add(this.numbers, 2, 1n);
    try {
      return read();
    } finally {
      Atomics.add(this.numbers, 2, 1n);
    }
  };
}
