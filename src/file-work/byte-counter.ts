/** Three whole numbers: bytes done, bytes in total, and the number of begins and ends of reads. */
const SIZE_BYTES = 24;

/** A thread's progress in bytes, and whether it is waiting for a read. The thread writes it and the event loop reads it, in shared memory. */
export class ByteCounter {
  /** Sent to the thread. */
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

  /** A number that identifies the read that the thread is waiting for; null while it is not waiting. */
  get waitsFor(): bigint | null {
    const turns = Atomics.load(this.numbers, 2);
    return turns % 2n === 1n ? turns : null;
  }

  /** Wraps a call that reads. */
  readonly around = (read: () => number): number => {
    Atomics.add(this.numbers, 2, 1n);
    try {
      return read();
    } finally {
      Atomics.add(this.numbers, 2, 1n);
    }
  };
}
