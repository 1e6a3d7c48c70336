/** Moves looked back at: enough to even out bursts, few enough to follow a change. */
const MOVES_KEPT = 12;

/** Fewer moves than this say nothing: the first batch of a job may end long before the others. */
const MOVES_NEEDED = 3;

/** Quiet for so many times the longest gap between moves, and there is no pace any more. */
const QUIET_GAPS = 3;

/** Longer than any job waits for its batches in one go: an estimate beyond is nonsense. */
const LONGEST_LEFT_MS = 48 * 3_600_000;

interface Move {
  readonly at: number;
  readonly done: number;
}

/**
 * How fast lines are completed, and how long the rest takes at that pace. Known only while lines move: a batch may take
 * a day, and nobody can tell from outside when it begins.
 */
export class Pace {
  private moves: Move[] = [];

  /** Takes notice of how many lines are done at a time, in ms. */
  see(done: number, at: number): void {
    const last = this.moves.at(-1);
    if (last?.done === done) return;
    // Lines that go again after all: what was seen before says nothing about the next round.
    if (last !== undefined && done < last.done) this.moves = [];
    this.moves.push({ at, done });
    if (this.moves.length > MOVES_KEPT) this.moves.shift();
  }

  /** Lines a second; null while they do not move. */
  rate(now: number): number | null {
    if (this.moves.length <= MOVES_NEEDED) return null;
    const first = this.moves[0]!;
    const last = this.moves.at(-1)!;
    const gaps = this.moves.slice(1).map(({ at }, i) => at - this.moves[i]!.at);
    if (last.at === first.at || now - last.at > QUIET_GAPS * Math.max(...gaps)) return null;
    return ((last.done - first.done) / (last.at - first.at)) * 1_000;
  }

  /** How long the lines that are left take at this pace, in ms; null where that cannot be known. */
  leftMs(lines: number, now: number): number | null {
    const rate = this.rate(now);
    if (rate === null) return null;
    const last = this.moves.at(-1)!;
    if (last.done >= lines) return null; // what remains is the API's finalizing and the next round
    const left = ((lines - last.done) / rate) * 1_000 - (now - last.at);
    return left > LONGEST_LEFT_MS ? null : Math.max(0, left);
  }
}

/** A time left in words, no more exact than it is known. */
export function timeLeft(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  if (minutes <= 1) return 'less than a minute left';
  if (minutes < 60) return `about ${minutes} min left`;
  const tens = Math.ceil(minutes / 10) * 10;
  const rest = tens % 60 === 0 ? '' : ` ${tens % 60} min`;
  return `about ${Math.floor(tens / 60)} h${rest} left`;
}
