import { describe, expect, it } from 'vitest';
import { executionAt, ExecutionPacker, unpackExecutions } from '../../src/execution-log.ts';
import { lineKey } from '../../src/line-key.ts';

describe('ExecutionPacker', () => {
  it('unpacks what it has packed, and ignores a truncated record', () => {
    const packer = new ExecutionPacker();
    const ids = Array.from({ length: 5000 }, (_, i) => `line-${i}-\u00fc`);
    const offsets = ids.map((id, i) => {
      const offset = packer.sizeBytes;
      packer.add(lineKey(id, {}), id, i % 2 === 0, i, i * 2);
      return offset;
    });
    const log = packer.take();
    expect(packer.sizeBytes).toBe(0);
    const unpacked = [...unpackExecutions(log)];
    expect(unpacked.map(({ offset }) => offset)).toEqual(offsets);
    expect(unpacked.map(({ execution }) => execution.customId)).toEqual(ids);
    expect(executionAt(log, offsets[7] as number)).toMatchObject({
      paid: false,
      inputTokens: 7,
      outputTokens: 14,
    });
    expect([...unpackExecutions(log.subarray(0, log.length - 1))]).toHaveLength(ids.length - 1);
  });
});
