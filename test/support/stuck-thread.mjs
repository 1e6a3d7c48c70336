/** A pool thread's work that begins a read, which ends when somebody opens the pipe to write. */
import { openSync } from 'node:fs';

export default ({ pipe, counter }) => {
  Atomics.add(new BigInt64Array(counter), 2, 1n);
  openSync(pipe, 'r');
};
export const answer = () => 'done';
