/** Batches that an account may create in an hour. Guide, "Rate limits". */
export const BATCHES_PER_HOUR = 2_000;

const MINUTE_MS = 60_000;

/** Counts of created batches by minute since 1970. */
export type CreatedByMinute = Record<string, number>;

/** Adds a batch, and forgets those of more than an hour ago. */
export function addCreated(created: CreatedByMinute, now: number): void {
  const minute = Math.floor(now / MINUTE_MS);
  created[minute] = (created[minute] ?? 0) + 1;
  for (const earlier of Object.keys(created)) if (Number(earlier) < minute - 60) delete created[earlier];
}

/** When another batch may be created, in ms; `now` if it may at once. */
export function nextCreation(created: CreatedByMinute, now: number): number {
  const minute = Math.floor(now / MINUTE_MS);
  const minutes = Object.keys(created)
    .map(Number)
    .filter((earlier) => earlier >= minute - 60)
    .toSorted((a, b) => a - b);
  let count = minutes.reduce((sum, each) => sum + created[each]!, 0);
  for (const earlier of minutes) {
    if (count < BATCHES_PER_HOUR) break;
    count -= created[earlier]!;
    now = Math.max(now, (earlier + 61) * MINUTE_MS);
  }
  return now;
}
