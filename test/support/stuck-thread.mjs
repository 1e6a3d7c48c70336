/** Work of a pool thread: a read that ends when a writer opens the pipe. */
import { openSync } from 'node:fs';

export default ({ pipe, counter }) => {
  Atomics.add(new BigInt64Array(counter), 2, 1n);
  openSync(pipe, 'r');
};
export const answer = () => 'done';
