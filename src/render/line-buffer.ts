/** Up to this length, copying byte by byte beats a call into the engine. */
const SHORT_BYTES = 24;

/** The bytes of one line, reused for all lines. */
export class LineBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(64 << 10);
  length = 0;
  /** True if text was written that is not ASCII. What is copied is as its source. */
  hasWideText = false;

  clear(): void {
    this.length = 0;
    this.hasWideText = false;
  }

  /** Appends `block[start..end)`. */
  copy(block: Buffer, start = 0, end: number = block.length): void {
    const count = end - start;
    this.reserve(count);
    const { bytes, length } = this;
    if (count <= SHORT_BYTES) for (let i = 0; i < count; i += 1) bytes[length + i] = block[start + i]!;
    else block.copy(bytes, length, start, end);
    this.length = length + count;
  }

  /** Appends text as UTF-8. */
  write(text: string): void {
    this.reserve(text.length * 3);
    const count = this.bytes.write(text, this.length, 'utf8');
    this.length += count;
    if (count !== text.length) this.hasWideText = true;
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + count));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
