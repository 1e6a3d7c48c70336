import { KEY_BYTES } from '../requests/request-key.ts';

const WORDS = KEY_BYTES / 4;

/**
 * A hash table of lines' keys, with the location of the answer to each, if one was found. Flat arrays of numbers take 60 bytes a line;
 * objects would take several hundred.
 */
export class KnownKeys {
  readonly capacity: number;
  size = 0;
  readonly lines: Float64Array;
  /** Number of the job that has the answer, from 1; 0 for none. */
  readonly sources: Uint32Array;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly shards: Uint32Array;
  private readonly words: Uint32Array;
  /** The first of the lines with the same request: the answer is noted there. */
  private readonly heads: Uint32Array;
  /** The hash table: places from 1, at most half full. */
  private readonly slots: Uint32Array;
  private readonly mask: number;

  constructor(capacity: number) {
    const places = capacity + 1; // the last line may have an alias
    const slots = Math.max(4, 2 ** Math.ceil(Math.log2(capacity * 2)));
    this.capacity = capacity;
    this.lines = new Float64Array(places);
    this.sources = new Uint32Array(places);
    this.offsets = new Float64Array(places);
    this.lengths = new Uint32Array(places);
    this.shards = new Uint32Array(places);
    this.words = new Uint32Array(places * WORDS);
    this.heads = new Uint32Array(places);
    this.slots = new Uint32Array(slots);
    this.mask = slots - 1;
  }

  get isFull(): boolean {
    return this.size >= this.capacity;
  }

  /** Adds a line; the table must not be full. Returns its place. */
  add(line: number, key: Buffer): number {
    const place = this.put(line, key);
    const slot = this.slotOf(key, 0);
    if (this.slots[slot] === 0) this.slots[slot] = place + 1;
    this.heads[place] = this.heads[this.slots[slot]! - 1]!;
    return place;
  }

  /** Adds another key of the line that was added last; an index may contain its answer under either key. */
  addAlias(of: number, key: Buffer): void {
    const place = this.put(0, key);
    const slot = this.slotOf(key, 0);
    if (this.slots[slot] === 0) this.slots[slot] = place + 1;
    this.heads[place] = this.heads[of]!;
  }

  /** True for the place of an alias, which is not a line of its own. */
  isAlias(place: number): boolean {
    return this.lines[place] === 0;
  }

  /** The place at which to note an answer to the key at `at`; -1 when no line has the key, or its answer is noted already. */
  wanting(block: Buffer, at: number): number {
    const place = this.slots[this.slotOf(block, at)]! - 1;
    if (place === -1) return -1;
    const head = this.heads[place]!;
    return this.sources[head] === 0 ? head : -1;
  }

  /** The place at which the answer to the line at `place` is noted. */
  headOf(place: number): number {
    return this.heads[place]!;
  }

  clear(): void {
    this.size = 0;
    this.slots.fill(0);
    this.sources.fill(0);
  }

  /** Writes a key into the next place, which is its own head at first. */
  private put(line: number, key: Buffer): number {
    const place = this.size++;
    const { words } = this;
    for (let i = 0; i < WORDS; i += 1) words[place * WORDS + i] = key.readUInt32LE(i * 4);
    this.lines[place] = line;
    this.heads[place] = place;
    return place;
  }

  /** The slot of the key, or the empty slot for it. */
  private slotOf(block: Buffer, at: number): number {
    const { slots, words, mask } = this;
    const first = block.readUInt32LE(at);
    // The key is a hash: any part of it spreads evenly.
    for (let slot = first & mask; ; slot = (slot + 1) & mask) {
      const place = slots[slot]! - 1;
      if (place === -1) return slot;
      if (words[place * WORDS] !== first) continue;
      let i = 1;
      while (i < WORDS && words[place * WORDS + i] === block.readUInt32LE(at + i * 4)) i += 1;
      if (i === WORDS) return slot;
    }
  }
}
