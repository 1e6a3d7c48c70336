/** Moves used for the estimate: enough to even out bursts, few enough to follow a change. */
const MOVES_KEPT = 12;

/** No estimate up to this number of moves: the first batch of a job may end long before the others. */
const MOVES_NEEDED = 3;

/** The pace is unknown after a quiet time of so many times the longest gap between moves. */
const QUIET_GAPS = 3;

/** Longer estimates are not shown: they exceed the time that a job waits for its batches. */
const LONGEST_LEFT_MS = 48 * 3_600_000;

interface Move {
  readonly at: number;
  readonly done: number;
}

/**
 * The rate at which lines are completed, and the time left at that rate. Known only while lines are being completed: a batch may
 * take a day, and the API does not report when it starts.
 */
export class Pace {
  private moves: Move[] = [];

  /** Records the number of lines that are done at a time, in ms. */
  record(done: number, at: number): void {
    const last = this.moves.at(-1);
    if (last?.done === done) return;
    // Lines are sent again: the rate before says nothing about the next round.
    if (last !== undefined && done < last.done) this.moves = [];
    this.moves.push({ at, done });
    if (this.moves.length > MOVES_KEPT) this.moves.shift();
  }

  /** Lines per second; null while none are completed. */
  rate(now: number): number | null {
    if (this.moves.length <= MOVES_NEEDED) return null;
    const first = this.moves[0]!;
    const last = this.moves.at(-1)!;
    const gaps = this.moves.slice(1).map(({ at }, i) => at - this.moves[i]!.at);
    if (last.at === first.at || now - last.at > QUIET_GAPS * Math.max(...gaps)) return null;
    return ((last.done - first.done) / (last.at - first.at)) * 1_000;
  }

  /** The time for the remaining lines at this pace, in ms; null if unknown. */
  leftMs(lines: number, now: number): number | null {
    const rate = this.rate(now);
    if (rate === null) return null;
    const last = this.moves.at(-1)!;
    if (last.done >= lines) return null; // what remains is the API's finalizing and the next round
    const left = ((lines - last.done) / rate) * 1_000 - (now - last.at);
    return left > LONGEST_LEFT_MS ? null : Math.max(0, left);
  }
}

/** The remaining time as text, rounded to its accuracy. */
export function timeLeft(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  if (minutes <= 1) return 'less than a minute left';
  if (minutes < 60) return `about ${minutes} min left`;
  const tens = Math.ceil(minutes / 10) * 10;
  const rest = tens % 60 === 0 ? '' : ` ${tens % 60} min`;
  return `about ${Math.floor(tens / 60)} h${rest} left`;
}
