/**
 * Yields the lines of a stream of bytes, many at a time: the lines of one chunk. Lines end at `\n` only, and the last one may lack it. A
 * line at a time would cost more than its reading.
 */
export async function* lineBlocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<string[], void, undefined> {
  let held: Buffer[] = [];
  for await (const chunk of chunks) {
    const last = chunk.lastIndexOf(0x0a);
    if (last === -1) {
      held.push(chunk);
      continue;
    }
    const whole = chunk.subarray(0, last);
    yield (held.length === 0 ? whole : Buffer.concat([...held, whole])).toString('utf8').split('\n');
    held = last + 1 < chunk.length ? [chunk.subarray(last + 1)] : [];
  }
  if (held.length > 0) yield Buffer.concat(held).toString('utf8').split('\n');
}
