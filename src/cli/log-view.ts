import type { JobProgress } from '../core/progress.ts';
import { noticesOf, progressLine, stateOf } from './progress-text.ts';
import type { ProgressView } from './progress-view.ts';

/** A job may run for days: while only numbers change, the log gets one line a minute. */
const EVERY_MS = 60_000;

/** Progress for logs: one line for each change of state, reason, round or notices, and one a minute while other values change. */
export class LogView implements ProgressView {
  private readonly write: (line: string) => void;
  private readonly now: () => number;
  private lastLine = '';
  private lastTurn = '';
  private lastAt = 0;
  private ended = false;

  constructor(
    write: (line: string) => void = (line) => void process.stderr.write(line),
    now: () => number = Date.now,
  ) {
    this.write = write;
    this.now = now;
  }

  show(progress: JobProgress): void {
    if (this.ended) return;
    const line = progressLine(progress);
    const turn = [stateOf(progress), progress.round, ...noticesOf(progress)].join('\n');
    const at = this.now();
    if (turn === this.lastTurn && (line === this.lastLine || at - this.lastAt < EVERY_MS)) return;
    this.lastLine = line;
    this.lastTurn = turn;
    this.lastAt = at;
    this.write(`${new Date(at).toISOString().slice(0, 19)}Z ${line}\n`);
  }

  say(text: string): void {
    this.write(`${text}\n`);
  }

  end(): void {
    this.ended = true;
  }
}
