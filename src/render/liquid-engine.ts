import { Liquid } from './liquid.ts';
import { isPlainObject, toExactJson } from './row-value.ts';

/** Tags that read other templates, from files. */
const removedTags = ['include', 'render', 'layout', 'block'];

/** Filters whose result is random. */
const removedFilters = ['sample'];

const dateFilters = ['date', 'date_to_xmlschema', 'date_to_rfc822', 'date_to_string', 'date_to_long_string'];

/** Characters and items that one template may create for one row; a range like `(1..999999999)` would exhaust the memory. */
const MAX_CREATED = 100_000_000;

/**
 * Liquid for prompts. A text depends on the template and the row alone: no files, no clock, no randomness, no local time zone. An
 * undefined name is an error.
 */
export function createLiquidEngine(): Liquid {
  const engine = new Liquid({
    strictVariables: true,
    strictFilters: true,
    // `if` and `default` may test a member that an object lacks; columns are checked before.
    lenientIf: true,
    ownPropertyOnly: true,
    templates: {},
    timezoneOffset: 0,
    locale: 'en-US',
    memoryLimit: MAX_CREATED,
    outputEscape: toPrintable as (value: unknown) => string, // what is no text is printed by Liquid
  });
  for (const tag of removedTags) delete engine.tags[tag];
  for (const filter of removedFilters) delete engine.filters[filter];
  for (const name of dateFilters) {
    const filter = engine.filters[name] as (this: unknown, ...args: unknown[]) => unknown;
    engine.registerFilter(name, function (value: unknown, ...args: unknown[]) {
      return filter.call(this, toUtc(value), ...args);
    });
  }
  for (const name of ['json', 'jsonify', 'inspect']) engine.registerFilter(name, toExactJson);
  return engine;
}

/** Lists and objects print as JSON: Liquid joins the items of a list without a space. */
function toPrintable(value: unknown): unknown {
  return Array.isArray(value) || isPlainObject(value) ? toExactJson(value) : value;
}

/** A time without a zone is in UTC, and not in the zone of the machine. */
function toUtc(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (value === 'now' || value === 'today') throw new Error('the time of rendering is not available');
  // As DuckDB writes a TIMESTAMPTZ: Date needs minutes too.
  if (/:\d\d(?:\.\d+)?[+-]\d\d$/.test(value)) return `${value}:00`;
  if (
    /^\d+$/.test(value) ||
    /(?:Z|[+-]\d\d:?\d\d|\b(?:UTC|GMT|UT|[ECMP][SD]T))$/.test(value) ||
    /^\d{4}-\d\d(-\d\d)?$/.test(value)
  )
    return value;
  return /^\d{4}-\d\d-\d\d[ T]/.test(value) ? `${value.replace(' ', 'T')}Z` : `${value} UTC`;
}
