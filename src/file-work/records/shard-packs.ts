import type { ShardManifest } from '../../core/shard-plan.ts';

/** The requests of a shard, and which lines share them. */
export class ShardPacks {
  /** The position of the first line of each request; null if each line has its own. */
  private readonly firsts: readonly number[] | null;
  private readonly byFirst: ReadonlyMap<number, readonly number[]>;

  constructor({ packs }: Pick<ShardManifest, 'packs'>) {
    const firsts: number[] = [];
    const byFirst = new Map<number, readonly number[]>();
    let position = 0;
    for (const pack of packs ?? []) {
      firsts.push(position);
      byFirst.set(position, pack);
      position += pack.length;
    }
    this.firsts = packs === undefined ? null : firsts;
    this.byFirst = byFirst;
  }

  /** True if lines may share requests. */
  get isPacked(): boolean {
    return this.firsts !== null;
  }

  /** The weights of the lines of the request with the line at this position as its first; null if there is none. */
  from(position: number): readonly number[] | null {
    return this.firsts === null ? ALONE : (this.byFirst.get(position) ?? null);
  }

  /** The positions of the lines of the n-th request, from 0: the first, and their number. Null if there is no such request. */
  positionsOf(n: number, lines: number): readonly [first: number, count: number] | null {
    if (this.firsts === null) return n >= 0 && n < lines ? [n, 1] : null;
    const first = this.firsts[n];
    return first === undefined ? null : [first, this.byFirst.get(first)!.length];
  }
}

const ALONE: readonly number[] = [1];
