/** The order in which jobs are granted tokens of the account; those of the same priority share them. */
export type Priority = 'high' | 'normal' | 'low';

/** The first of them goes first. */
export const priorities: readonly Priority[] = ['high', 'normal', 'low'];

/** True for the name of a priority. */
export function isPriority(text: unknown): text is Priority {
  return priorities.includes(text as Priority);
}
