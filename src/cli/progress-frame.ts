import { createColors } from 'picocolors';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import type { StepBytes } from '../client/pending-steps.ts';
import { isEndState, JobState, type JobProgress } from '../core/progress.ts';
import { count, duration, percent } from '../core/number-format.ts';
import { timeLeft, type Pace } from './pace.ts';
import { batchesOf, costOf, noticesOf, stateOf, tokensOf } from './progress-text.ts';

/** The values that a frame shows. */
export interface FrameInput {
  readonly progress: JobProgress;
  readonly step: StepBytes | null;
  readonly pace: Pace;
  /** The current time, and when this process started to watch; in ms. */
  readonly now: number;
  readonly watchedSince: number;
}

/** The terminal that a frame is for. */
export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
  readonly hasColours: boolean;
}

/** One phase of a job: the share that is done, and the share including lines that the API reports as run; both of 1. */
interface Phase {
  readonly name: string;
  readonly share: number;
  readonly ahead?: number;
  readonly text: string;
}

/** The placeholder for a value that is not known yet: its line is kept, so that the other lines do not move. */
const NONE = '–';

const NAME_COLUMNS = 10;
const LARGEST_BAR = 32;
const SMALLEST_BAR = 8;
/** `100 %` and the spaces beside it. */
const PERCENT_COLUMNS = 9;
/** The columns reserved for the text beside a bar. */
const TEXT_COLUMNS = 32;
/** Longer reasons are cut after so many lines. */
const SENTENCE_LINES = 3;

/** A job's progress for a terminal. No line reaches the last column, so that none wraps. */
export function progressFrame(input: FrameInput, { columns, rows, hasColours }: FrameSize): string[] {
  const width = Math.max(1, columns - 1);
  const layout = new Layout(width, hasColours);
  const { progress, now, watchedSince } = input;
  const { shards, startedAt } = progress;
  const state = layout.sentence(
    'state',
    progress.round > 1 ? `${stateOf(progress)} (round ${progress.round})` : stateOf(progress),
    progress.reason === null ? 'bold' : 'yellow',
  );
  const phases = phasesOf(input).map((phase) => layout.bar(phase));
  const since = Date.parse(startedAt ?? '') || watchedSince; // a worker of version 0.1 does not send it
  const left = isMoving(progress) ? input.pace.leftMs(progress.lines, now) : null;
  const time = [duration(now - since), ...(left === null ? [] : [timeLeft(left)])].join(' · ');
  const facts = [
    layout.fact('shards', `${count(shards.done)} of ${count(shards.total)} done`),
    layout.fact('batches', batchesOf(progress) || NONE),
    layout.fact('tokens', tokensOf(progress) || NONE),
    layout.fact('cost', costOf(progress) || NONE),
    layout.fact('time', time),
  ];
  const notes = noticesOf(progress).flatMap((notice) => layout.sentence('note', notice, 'yellow'));
  const all = [...state, ...phases, ...facts, ...notes];
  // One row is left for the cursor.
  if (all.length < rows) return all;
  const few = [...state.slice(0, 1), ...phases.slice(2, 3), layout.fact('time', time)];
  return few.slice(0, Math.max(1, rows - 1));
}

/** Lines are completed only in these states: a paused job has no estimate. */
function isMoving({ state }: JobProgress): boolean {
  return state === JobState.Running || state === JobState.Cancelling;
}

function phasesOf({ progress, step, pace, now }: FrameInput): Phase[] {
  const { state, round, lines, answered, failed, running } = progress;
  const isBuilt = lines > 0;
  const ended = answered + failed;
  const rate = isMoving(progress) ? pace.rate(now) : null;
  const speed = rate === null ? '' : `, ${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))}/s`;
  return [
    isBuilt
      ? { name: 'build', share: 1, text: `${count(lines)} lines` }
      : { name: 'build', ...bytesOf(step, 'buildShards') },
    { name: 'upload', share: isBuilt ? uploadedShare(progress) : 0, text: uploadText(progress, round) },
    {
      name: 'run',
      share: share(ended, lines),
      ahead: share(ended + running, lines),
      text: isBuilt ? `${count(Math.min(lines, ended + running))} of ${count(lines)}${speed}` : '',
    },
    {
      name: 'fetch',
      share: share(ended, lines),
      text: isBuilt ? `${count(answered)} answered, ${count(failed)} failed` : '',
    },
    isEndState(state)
      ? { name: 'assemble', share: 1, text: '' }
      : { name: 'assemble', ...bytesOf(step, 'assembleResults') },
  ];
}

function bytesOf(step: StepBytes | null, activity: string): Pick<Phase, 'share' | 'text'> {
  if (step?.activity !== activity) return { share: 0, text: '' };
  return { share: share(step.done, step.of), text: `${megabytes(step.done)} of ${megabytes(step.of)}` };
}

function uploadedShare({ uploaded, lines, round, shards }: JobProgress): number {
  if (shards.total > 0 && shards.waiting === 0) return 1;
  const sent = share(shards.total - shards.waiting, shards.total);
  // Progress does not contain the lines of a later round, but its shards.
  return round > 1 || uploaded === undefined ? sent : Math.min(share(uploaded, lines), 0.999);
}

function uploadText({ uploaded, lines }: JobProgress, round: number): string {
  if (lines === 0 || uploaded === undefined) return '';
  return round > 1 ? `${count(uploaded)} again` : `${count(uploaded)} lines`;
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(1, part / whole);
}

function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

type Emphasis = 'bold' | 'yellow';

/** Formats names, bars and text for a width. Colours carry no information of their own. */
class Layout {
  private readonly width: number;
  private readonly colours: ReturnType<typeof createColors>;

  constructor(width: number, hasColours: boolean) {
    this.width = width;
    this.colours = createColors(hasColours);
  }

  bar({ name, share: part, ahead = part, text }: Phase): string {
    const { green, cyan, dim } = this.colours;
    const room = this.width - NAME_COLUMNS - PERCENT_COLUMNS;
    const cells = Math.max(Math.min(LARGEST_BAR, room - TEXT_COLUMNS), Math.min(SMALLEST_BAR, room));
    if (cells < 1) return this.fact(name, percent(Math.max(part, ahead)));
    // Rounded down: a bar is full only when all is done.
    const full = Math.floor(part * cells);
    const reached = Math.max(full, Math.floor(ahead * cells));
    const signs =
      green('█'.repeat(full)) + cyan('▒'.repeat(reached - full)) + dim('░'.repeat(cells - reached));
    const label = this.colours.dim(name.padEnd(NAME_COLUMNS));
    const rest = cut(
      ` ${percent(Math.max(part, ahead)).padStart(6)}  ${text}`.trimEnd(),
      this.width - NAME_COLUMNS - cells,
    );
    return `${label}${signs}${rest}`;
  }

  /** A line, cut at the width. */
  fact(name: string, text: string): string {
    return this.line(name, cut(text, Math.max(0, this.width - NAME_COLUMNS)));
  }

  /** A text, wrapped at the width. */
  sentence(name: string, sentence: string, emphasis: Emphasis): string[] {
    const room = this.width - NAME_COLUMNS;
    if (room < SMALLEST_BAR) return [this.fact(name, sentence)];
    const lines = wrapAnsi(sentence, room, { hard: true }).split('\n');
    const shown = lines.slice(0, SENTENCE_LINES);
    if (lines.length > shown.length) shown.push(cut(`${shown.pop()!} …`.padEnd(room + 1), room));
    return shown.map((text, i) => this.line(i === 0 ? name : '', this.colours[emphasis](text)));
  }

  private line(name: string, text: string): string {
    return `${this.colours.dim(cut(name.padEnd(NAME_COLUMNS), this.width))}${text}`;
  }
}

/** Cuts a text without colours; `…` marks the cut. */
function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  if (columns < 1) return '';
  let kept = '';
  for (const character of text) {
    if (stringWidth(kept + character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
