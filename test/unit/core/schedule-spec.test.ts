import { expect, test } from 'vitest';
import {
  assertPlaceholders,
  dueTimeIn,
  fillPlaceholders,
  formatDuration,
  parseDuration,
  runJobId,
} from '../../../src/core/schedule-spec.ts';

test.each([
  ['2026-11-24T08:00:00Z', 'n-2026-11-24T08-00Z'],
  ['2026-11-24T08:00:07Z', 'n-2026-11-24T08-00-07Z'],
  ['2026-11-24T08:00:00.900Z', 'n-2026-11-24T08-00Z'],
])('the run due at %s has the job %s', (at, job) => {
  expect(runJobId('n', new Date(at))).toBe(job);
});

test.each([
  ['Asia/Tokyo', '2026-11-23T15:30:00Z', '2026-11-24 00:30'],
  ['UTC', '2026-11-23T15:30:00Z', '2026-11-23 15:30'],
  ['America/New_York', '2026-01-01T04:59:00Z', '2025-12-31 23:59'],
  ['UTC', '2026-01-01T00:05:00Z', '2026-01-01 00:05'],
  // The hour that occurs twice when the clocks go back.
  ['Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25 02:30'],
  ['Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25 02:30'],
  ['Asia/Kathmandu', '2026-06-30T18:20:00Z', '2026-07-01 00:05'],
])('in %s, %s is %s', (zone, at, text) => {
  expect(fillPlaceholders('/in/{yyyy}-{MM}-{dd} {HH}:{mm}', new Date(at), zone, 'job')).toBe(`/in/${text}`);
});

test('a folder name may contain the id of the job', () => {
  expect(fillPlaceholders('/out/{run}/{x}/{', new Date(0), 'UTC', 'n-1')).toBe('/out/n-1/{x}/{');
});

test.each<[option: 'input' | 'out', name: string, message: RegExp | null]>([
  ['input', 'a.jsonl', null],
  ['input', 'a-{yyyy}{MM}{dd}T{HH}{mm}.jsonl', null],
  [
    'input',
    'a-{date}.jsonl',
    /^The input has the placeholder \{date\}: use \{yyyy\}, \{MM\}, \{dd\}, \{HH\}, \{mm\}\.$/,
  ],
  ['input', 'a-{YYYY}.jsonl', /placeholder \{YYYY\}/],
  ['input', 'a-{}.jsonl', /placeholder \{\}/],
  ['input', 'a-{toString}.jsonl', /placeholder \{toString\}/],
  ['input', 'a-{run}.jsonl', /placeholder \{run\}/],
  ['out', 'out/{run}', null],
  ['out', '{yyyy}/{run}', null],
  ['out', 'out/', /same for two runs.* add \{run\}.* e\.g\. out\/\{run\}\.$/],
  // A trigger in the minute of another run, or the hour that occurs twice when the clocks go back.
  ['out', '{yyyy}-{MM}-{dd}T{HH}-{mm}', /same for two runs/],
  ['out', 'out/{yyyy}-{MM}-{dd}', /e\.g\. out\/\{yyyy\}-\{MM\}-\{dd\}\/\{run\}\.$/],
])('of %s, %s', (option, name, message) => {
  const check = (): void => assertPlaceholders(option, name);
  if (message === null) expect(check).not.toThrow();
  else expect(check).toThrow(message);
});

test.each([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['1d', 86_400_000],
  ['0s', 0],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
  expect(parseDuration(formatDuration(ms))).toBe(ms);
});

test.each(['', '6', '6x', 'h', '6 h', '-6h', '6h ', '1e3s', '5 minutes', 'Infinityh'])(
  '"%s" is not a duration',
  (text) => {
    expect(parseDuration(text)).toBeNull();
  },
);

test.each([
  ['n-run-2026-11-24T08:00:00Z', '2026-11-24T08:00:00Z'],
  ['n-run', null],
])('the workflow id %s contains the time %s', (id, at) => {
  expect(dueTimeIn(id)).toBe(at);
});
