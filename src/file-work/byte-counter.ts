/** Two whole numbers: bytes done, and bytes in all. */
const SIZE_BYTES = 16;

/** How many bytes a thread has worked through, for the one that waits for it: both look at the same memory. */
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
}
