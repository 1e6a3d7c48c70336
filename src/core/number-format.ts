/** Formats numbers for the command line, the logs and the report. */

/** A whole number with separators. */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** An amount of USD, with more digits for small amounts. An amount above zero is never shown as zero. */
export function usd(amount: number): string {
  if (amount > 0 && amount < 0.0001) return '<$0.0001';
  if (amount < 1) return `$${amount.toFixed(4)}`;
  return `$${amount.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** A share of 1 as percent: `100 %` only for all of it, `0.0 %` only for none of it. */
export function percent(share: number): string {
  if (share >= 1) return '100 %';
  const tenths = Math.floor(share * 1_000);
  return tenths <= 0 && share > 0 ? '<0.1 %' : `${(Math.max(0, tenths) / 10).toFixed(1)} %`;
}

/** A length of time in its two largest units. */
export function duration(ms: number): string {
  if (ms < 950) return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(ms / 3_600_000);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}
