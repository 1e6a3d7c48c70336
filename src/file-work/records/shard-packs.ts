import type { ShardManifest } from '../../core/shard-plan.ts';

const ALONE: readonly number[] = [1];

/** The requests of a shard, and which lines share them. Positions are those of lines in the shard, from 0. */
export class ShardPacks {
  /** The weights of the lines of each request; null if each line has its own. */
  private readonly packs: NonNullable<ShardManifest['packs']> | null;
  /** The position of the first line of each request. */
  private readonly firsts: number[] = [];
  /** The request of each position. */
  private readonly requests: number[] = [];

  constructor({ packs }: Pick<ShardManifest, 'packs'>) {
    this.packs = packs ?? null;
    for (const [request, { length }] of (packs ?? []).entries()) {
      this.firsts.push(this.requests.length);
      for (let i = 0; i < length; i += 1) this.requests.push(request);
    }
  }

  /** True if lines may share requests. */
  get isPacked(): boolean {
    return this.packs !== null;
  }

  /** The weights of the lines whose request has the line at this position as its first; null if there is no such request. */
  from(position: number): readonly number[] | null {
    if (this.packs === null) return ALONE;
    const request = this.requests[position]!;
    return this.firsts[request] === position ? this.packs[request]! : null;
  }

  /** True if the line at this position shares its request with others. */
  isShared(position: number): boolean {
    return this.packs !== null && this.packs[this.requests[position]!]!.length > 1;
  }

  /** The positions of the lines of a request; empty if there is no such request. */
  positionsOf(request: number): number[] {
    if (this.packs === null) return [request];
    const first = this.firsts[request] ?? 0;
    return Array.from(this.packs[request] ?? [], (_, i) => first + i);
  }
}
