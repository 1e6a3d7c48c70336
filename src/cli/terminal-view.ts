import { createLogUpdate } from 'log-update';
import stringWidth from 'string-width';
import type { StepBytes } from '../client/pending-steps.ts';
import type { JobProgress } from '../core/progress.ts';
import { Pace } from './pace.ts';
import { progressFrame } from './progress-frame.ts';
import type { ProgressView } from './progress-view.ts';

/** Progress bars, redrawn in place. */
export class TerminalView implements ProgressView {
  private readonly out = process.stderr;
  private readonly draw = createLogUpdate(this.out);
  private readonly pace = new Pace();
  private readonly watchedSince = Date.now();
  private frame: readonly string[] = [];
  private frameColumns = this.out.columns;
  private ended = false;

  show(progress: JobProgress, step: StepBytes | null): void {
    if (this.ended) return;
    const now = Date.now();
    this.pace.record(progress.answered + progress.failed + progress.running, now);
    const { columns, rows } = this.out;
    if (columns < this.frameColumns) this.eraseRewrapped(columns, rows);
    this.frameColumns = columns;
    this.frame = progressFrame(
      { progress, step, pace: this.pace, now, watchedSince: this.watchedSince },
      { columns, rows, hasColours: this.out.hasColors() },
    );
    this.draw(this.frame.join('\n'));
  }

  say(text: string): void {
    this.draw.clear();
    this.out.write(`${text}\n`);
    if (!this.ended && this.frame.length > 0) this.draw(this.frame.join('\n'));
  }

  end(how: 'stay' | 'make room'): void {
    if (this.ended) return;
    this.ended = true;
    if (how === 'make room') this.draw.clear();
    this.draw.done();
  }

  /** A terminal that became narrower has wrapped the lines of the last frame: they take more rows than were drawn. */
  private eraseRewrapped(columns: number, rows: number): void {
    const taken = this.frame.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns)),
      0,
    );
    const up = Math.min(taken, rows - 1);
    if (up > 0) this.out.write(`\u001b[${up}A\r\u001b[J`);
    this.draw.done(); // the frame is erased: log-update must not erase it again
  }
}
