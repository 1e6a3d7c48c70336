import { Cron } from 'croner';
import { BatchError, ErrorCode } from '../../core/errors.ts';

/** Nicknames that Temporal accepts besides lines of five or seven fields, with their usual meaning. */
const nicknames = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

interface CronField {
  readonly name: string;
  readonly values: string;
}

const day: readonly CronField[] = [
  { name: 'minute', values: '0-59' },
  { name: 'hour', values: '0-23' },
  { name: 'day of the month', values: '1-31' },
  { name: 'month', values: '1-12 or JAN-DEC' },
  { name: 'day of the week', values: '0-7 or SUN-SAT' },
];

const fields: Readonly<Record<number, readonly CronField[]>> = {
  5: day,
  7: [{ name: 'second', values: '0-59' }, ...day, { name: 'year', values: '2000-2100' }],
};

/** `*`, a value or a range, optionally with a step; the library checks the values. */
const value = String.raw`(?:\d+|[A-Za-z]{3})`;
const item = String.raw`(?:\*|${value}(?:-${value})?)(?:\/\d+)?`;
const plain = new RegExp(`^${item}(?:,${item})*$`);

/**
 * Checks a cron line: a line that passes has the same meaning for Temporal, which evaluates it, and for the library that checks it.
 * Refused are features that one of them refuses or interprets differently: `L`, `W`, `#` (a comment for Temporal), `?`, `+`,
 * six fields (a year at the end for one, seconds at the beginning for the other), `CRON_TZ=`, `@every`.
 * @throws BatchError `bad_option` that names the wrong field
 */
export function checkCron(line: string): void {
  const text = line.trim();
  if (nicknames.includes(text)) return;
  if (text.startsWith('@')) {
    const advice = text.startsWith('@every') ? 'give --every instead' : `use ${nicknames.join(', ')}`;
    throw badCron(line, `is not a supported nickname: ${advice}`);
  }
  if (/^(?:CRON_)?TZ=/.test(text)) throw badCron(line, 'names a time zone: give --time-zone instead');
  const parts = text === '' ? [] : text.split(/\s+/);
  const expected = fields[parts.length];
  if (expected === undefined) {
    throw badCron(
      line,
      `has ${parts.length} ${parts.length === 1 ? 'field' : 'fields'}: write five (minute, hour, day of the month, month, day of the week), or seven, with the second first and the year last`,
    );
  }
  const wrong = expected.findIndex((_, at) => !isValidField(parts, at));
  if (wrong !== -1) {
    const { name, values } = expected[wrong]!;
    throw badCron(
      line,
      `has "${parts[wrong]}" as ${name}: write *, values of ${values}, ranges a-b and steps */n or a-b/n, joined by commas`,
    );
  }
  if (cronOf(text, parts.length)?.nextRun() == null)
    throw badCron(line, 'is never due: there is no such day');
}

/** Checks one field, with `*` in all others. */
function isValidField(parts: readonly string[], at: number): boolean {
  const part = parts[at]!;
  if (!plain.test(part)) return false;
  if (at === 6 && !areYearsInRange(part)) return false;
  return cronOf(parts.map((_, i) => (i === at ? part : '*')).join(' '), parts.length) !== null;
}

function areYearsInRange(part: string): boolean {
  const years = part.replaceAll(/\/\d+/g, '').match(/\d+/g) ?? [];
  return years.every((year) => Number(year) >= 2000 && Number(year) <= 2100);
}

function cronOf(text: string, parts: number): Cron | null {
  try {
    return new Cron(text, {
      paused: true,
      timezone: 'UTC',
      mode: parts === 7 ? '7-part' : '5-part',
      domAndDow: true, // as Temporal has it
    });
  } catch {
    return null; // the caller throws an error with its own message
  }
}

function badCron(line: string, what: string): BatchError {
  return new BatchError(ErrorCode.BadOption, `Option --cron "${line}" ${what}.`, {
    details: { option: 'cron' },
  });
}
